"""Keeps the checkpoints around the jump of the induction score, with the metrics of each.

    python checkpoints.py --run RUNDIR --corpus tales.tar.xz --model DIR [--count 12]

A run of train.py with --keep-every has left many. The best induction score of each is measured; half of
those kept are spread evenly over the rise of that score, from 5 to 95 % of the way, the others over the
steps before and after. All metrics are read from the F16 files.
"""
import argparse
import json
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from tokenizers import Tokenizer

import corpus
import scores
from model import CONFIGS, Gpt


def choose(steps: np.ndarray, induction: np.ndarray, count: int) -> list[int]:
    """Indices of the checkpoints to keep."""
    top = np.maximum.accumulate(induction)
    share = (top - top[0]) / (top[-1] - top[0])
    first, last = int(np.argmax(share > 0.05)) - 1, int(np.argmax(share > 0.95))
    n_rise = count // 2
    targets = np.linspace(0.05, 0.95, n_rise)
    kept = {0, first, last, len(steps) - 1} | {int(np.argmax(share >= t)) for t in targets}
    others = [first // 2, (first * 3) // 4, first // 4, (last + len(steps)) // 2, (3 * last + len(steps)) // 4]
    for i in others + list(range(first, last)):
        if len(kept) < count:
            kept.add(i)
    return sorted(kept)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--model", required=True, help="folder, named as the model")
    parser.add_argument("--count", type=int, default=12)
    args = parser.parse_args()
    run, folder = Path(args.run), Path(args.model)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    _, val_books = corpus.split(corpus.read_books(args.corpus))
    val_stream = corpus.encode_books(tokenizer, val_books)
    log = [json.loads(line) for line in open(run / "log.jsonl")]
    paths = sorted((run / "checkpoints").glob("step-*.safetensors"))
    steps = np.array([int(re.search(r"\d+", p.stem).group()) for p in paths])
    model = Gpt(CONFIGS[folder.name]).eval()

    def load(path: Path) -> None:
        model.load_state_dict({k: v.float() for k, v in load_file(path).items()})

    induction = []
    for path in paths:
        load(path)
        induction.append(scores.best(scores.repeated(model)["induction"])[0])
    out = folder / "checkpoints"
    out.mkdir(exist_ok=True)
    for old in out.glob("*"):
        old.unlink()
    n_tokens_per_step = log[-1]["tokens"] / log[-1]["step"]
    train_steps = [e["step"] for e in log if e["train_loss_nats"]]
    train_losses = [e["train_loss_nats"] for e in log if e["train_loss_nats"]]
    metrics = []
    for i in choose(steps, np.array(induction), args.count):
        load(paths[i])
        shutil.copyfile(paths[i], out / paths[i].name)
        metrics.append({
            "file": paths[i].name, "step": int(steps[i]), "tokens": round(steps[i] * n_tokens_per_step),
            # A running mean that the log has at some steps only; null before the first.
            "train_loss_nats": None if steps[i] == 0 else float(np.interp(steps[i], train_steps, train_losses)),
            "validation_loss_nats": scores.text_loss_nats(model, val_stream),
            **scores.repeated(model)})
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    for m in metrics:
        print(m["step"], "%.3f" % m["validation_loss_nats"], "%.2f" % m["loss_second_copy_nats"],
              "%.2f" % scores.best(m["induction"])[0], "%.2f" % scores.best(m["previous_token"])[0])


if __name__ == "__main__":
    main()
