"""Measures an exported model folder and writes its metrics.json.

    python evaluate.py --model DIR --corpus tales.tar.xz --log RUNDIR/log.jsonl

Everything here is read from the F16 file in DIR. Task accuracy is defined at `task_scores`.
"""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import corpus
import kneser_ney
import scores
import tasks
from model import CONFIGS, Gpt

N_SAMPLES, SEED = 500, 7_001
GREEDY_PROMPTS = ["Once upon a time", "There was once a king who had", "The old woman said to the fox,",
                  "When Mary and John went to the store, John gave the drum to"]


@torch.no_grad()
def task_scores(model, tokenizer, task: str, split: str, n_samples: int = N_SAMPLES) -> dict:
    """Scores over `n_samples` samples of a split.

    accuracy: the candidate with the highest logit is right (candidates: the two names; he and she; the four
    closing brackets; the hundred two-digit tokens; the values in the prompt). chance: the share of
    candidates that are right. top1: the highest logit of the whole vocabulary is right. probability: the
    mean, over answers, of the probability (of the whole vocabulary) on right candidates.
    """
    sampler, rng = tasks.Sampler(tokenizer, split), np.random.default_rng(SEED)
    samples = [sampler.make(rng, task) for _ in range(n_samples)]
    rows = torch.zeros(n_samples, max(len(s.tokens) for s in samples), dtype=torch.long)
    for row, sample in zip(rows, samples):
        row[:len(sample.tokens)] = torch.tensor(sample.tokens)
    found = []  # (accuracy, chance, top1, probability) of each answer
    for chunk, first in zip(rows.split(100), range(0, n_samples, 100)):
        probs = model(chunk).float().softmax(-1)
        for p, sample in zip(probs, samples[first:first + 100]):
            for pos, correct in zip(sample.answer_pos, sample.correct):
                at = p[pos - 1]  # what is predicted at `pos` is read one position before
                best = sample.candidates[int(at[sample.candidates].argmax())]
                found.append((best in correct, len(correct) / len(sample.candidates),
                              int(at.argmax()) in correct, float(at[list(correct)].sum())))
    means = np.array(found, dtype=float).mean(0).round(4).tolist()
    return dict(zip(("accuracy", "chance", "top1", "probability"), means), n_answers=len(found))


def tasks_quick(model, tokenizer) -> dict:
    """For the curve over training: (accuracy, probability) on 100 samples, all held out."""
    results = {task: task_scores(model, tokenizer, task, tasks.HELD_OUT, 100) for task in tasks.TASKS}
    return {task: [r["accuracy"], r["probability"]] for task, r in results.items()}


@torch.no_grad()
def greedy(model, tokenizer, prompt: str, n_new: int = 60) -> str:
    tokens = [corpus.BOS] + tokenizer.encode(prompt).ids
    for _ in range(n_new):
        tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
        if tokens[-1] == corpus.BOS:
            break
    return tokenizer.decode(tokens)


def load(folder: Path) -> Gpt:
    model = Gpt(CONFIGS[folder.name])
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="folder, named as the model")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--log", required=True, help="log.jsonl of the run, for the curve")
    args = parser.parse_args()
    folder = Path(args.model)
    model, tokenizer = load(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    books = corpus.read_books(args.corpus)
    train_books, val_books = corpus.split(books)
    stream, val_stream = (corpus.encode_books(tokenizer, half) for half in (train_books, val_books))
    metrics = {
        "model": folder.name,
        "file_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "n_params": sum(p.numel() for p in model.parameters()),
        "books": [{"title": b.title, "sha256": b.sha256, "split": "validation" if b in val_books else "train"}
                  for b in books],
        "n_train_tokens": len(stream), "n_validation_tokens": len(val_stream),
        "validation_loss_nats": scores.text_loss_nats(model, val_stream),
        "kneser_ney_5gram_nats": kneser_ney.loss_nats(stream, val_stream, tokenizer.get_vocab_size()),
        "repeated_sequences": [scores.repeated(model, n) for n in (25, 50, 100)],
        "greedy": {prompt: greedy(model, tokenizer, prompt) for prompt in GREEDY_PROMPTS},
        "curve": [json.loads(line) for line in open(args.log)],
    }
    if model.cfg.d_mlp:
        metrics["tasks"] = {task: {split: task_scores(model, tokenizer, task, split)
                                   for split in (tasks.TRAIN, tasks.HELD_WORDS, tasks.HELD_OUT)}
                            for task in tasks.TASKS}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    print(json.dumps({k: v for k, v in metrics.items() if k not in ("books", "curve")}, indent=1))


if __name__ == "__main__":
    main()
