"""Teaches a trained tales-4l not to go round in circles, by unlikelihood (Welleck et al. 2020, arXiv:1908.04319).

    python unloop.py --corpus tales.tar.xz --tokenizer DIR/tokenizer.json --run RUNDIR --steps 160 \
        --pronouns plain

Each step is a step of train.py, and the same model's own greedy continuations of 24 beginnings: a token that
completes three tokens in a row that stood there before costs -log(1 - p). Reads RUNDIR/state.pt and adds a checkpoint.
"""
import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import corpus
import evaluate
import scores
import train
from batches import PHASES, UNLOOP, Batches
from model import CONFIGS, Gpt

NAME = "tales-4l"
N_ROWS, N_NEW, N_GRAM = 24, 40, 3
START_SCALE = 0.15  # of train.py's rates; linear to zero


@torch.no_grad()
def continued(model: Gpt, rows: torch.Tensor) -> torch.Tensor:
    """`rows` and their greedy continuations. [row pos + N_NEW]"""
    for _ in range(N_NEW):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(rows)[:, -1]
        rows = torch.cat([rows, logits.argmax(-1, keepdim=True)], 1)
    return rows


def looped(rows: torch.Tensor, n_prompt: int) -> torch.Tensor:
    """Which of the targets rows[:, 1:] were generated and complete an n-gram that stood there before. Bool."""
    marks = torch.zeros(rows.shape[0], rows.shape[1] - 1, dtype=torch.bool)
    for row, (tokens, mark) in enumerate(zip(rows.tolist(), marks)):
        seen = set()
        for end in range(N_GRAM, len(tokens) + 1):
            gram = tuple(tokens[end - N_GRAM:end])
            if gram in seen and end > n_prompt:
                mark[end - 2] = True
            seen.add(gram)
    return marks


def unlikelihood(model: Gpt, rows: torch.Tensor, marks: torch.Tensor, n_marks: int) -> float:
    """Adds the gradient of -log(1 - p) over the marked targets; returns its share of the loss."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(rows[:, :-1])
    logprobs = logits.float().log_softmax(-1).gather(-1, rows[:, 1:, None])[..., 0]
    loss = -torch.log1p(-logprobs.exp().clamp(max=1 - 1e-5))[marks].sum() / max(n_marks, 1)
    loss.backward()
    return loss.item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--pronouns", choices=UNLOOP, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,))
    run, tokenizer = Path(args.run), Tokenizer.from_file(args.tokenizer)
    train_books, val_books = corpus.split(corpus.read_books(args.corpus))
    stream, val_stream = (corpus.encode_books(tokenizer, half) for half in (train_books, val_books))
    model = Gpt(CONFIGS[NAME])
    base_lrs = [0.02, 3e-3]
    optimisers = train.make_optimisers(model, *base_lrs, pool)
    state = torch.load(run / "state.pt")
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"]):
        optimiser.load_state_dict(saved)
    first, n_tokens = state["step"], state["n_tokens"]
    batches = Batches(NAME, tokenizer, stream, 0)
    batches.phases = [*PHASES, UNLOOP[args.pronouns]]
    starts = np.flatnonzero(batches.is_start[:-32])
    began = time.time()
    for step in range(first, first + args.steps):
        rng = np.random.default_rng([1, step])
        n_prompt = int(rng.integers(4, 17))
        rows = torch.tensor(np.stack([np.concatenate([[corpus.BOS], stream[at:at + n_prompt]])
                                      for at in rng.choice(starts, N_ROWS, replace=False)]))
        rows = torch.cat(list(pool.map(lambda part: continued(model, part), rows.chunk(2))))
        marks = looped(rows, n_prompt + 1)
        loss, n_targets = train.accumulate_batch(model, batches.at(step), pool)
        against = sum(pool.map(lambda part: unlikelihood(model, *part, int(marks.sum())),
                               zip(rows.chunk(2), marks.chunk(2))))
        scale = START_SCALE * (1 - (step - first) / args.steps)
        train.update(model, optimisers, [base_lr * scale for base_lr in base_lrs])
        n_tokens += n_targets
        if (step - first) % 10 == 0:
            print(step, "loss %.3f unlikelihood %.3f looped %.2f seconds %.0f" % (
                loss, against, marks[:, n_prompt:].float().mean(), time.time() - began), flush=True)
    model.eval()
    step = first + args.steps
    entry = {"step": step, "tokens": n_tokens, "train_loss_nats": state["mean_loss"],
             "validation_loss_nats": scores.text_loss_nats(model, val_stream, max_windows=48),
             "tokens_per_second": round((n_tokens - state["n_tokens"]) / (time.time() - began)),
             **scores.repeated(model), "tasks": evaluate.tasks_quick(model, tokenizer)}
    with open(run / "log.jsonl", "a") as log:
        log.write(json.dumps(entry) + "\n")
    print(entry["validation_loss_nats"], entry["tasks"])
    train.keep(model, run / "checkpoints" / f"step-{step:06d}-{args.pronouns}.safetensors")


if __name__ == "__main__":
    main()
