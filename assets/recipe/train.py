"""Trains one of the embedded models.

    python train.py --model tales-attn-2l --corpus tales.tar.xz --tokenizer DIR/tokenizer.json \
        --run RUNDIR --tokens 20e6

Everything random follows from --seed and the step, so a run that is stopped continues where it was.
--tokens may be changed while resuming; --minutes shrinks the budget so that the decay ends in time.
"""
import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # see --threads

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer

import corpus
import evaluate
import scores
from batches import Batches
from model import CONFIGS, Gpt
from muon import Muon

WARMUP_STEPS = 100
N_PARTS = 4  # of a batch's long rows; threads take part after part, so that a slow one holds up little


def make_optimisers(model: Gpt, lr_matrix: float, lr_rest: float, pool):
    matrices = [p for n, p in model.h.named_parameters() if p.ndim == 2]
    rest = [p for n, p in model.named_parameters() if p.ndim < 2 or not n.startswith("h.")]
    return [Muon(matrices, lr=lr_matrix, weight_decay=0.05, map_jobs=pool.map),
            torch.optim.AdamW(rest, lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.01, fused=True)]


def lr_scale(step: int, progress: float, decay_share: float) -> float:
    """Warm-up, constant, then linear to zero over the last `decay_share`."""
    return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (1 - progress) / decay_share))


def loss_of(model, rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted sum of -log p of each next token."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(rows[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten(), reduction="none")
    return (loss * weights.flatten()).sum()


def accumulate(model, rows, weights, n_targets: int) -> float:
    """Adds the gradient of this part of a batch, on the calling thread alone; returns its loss."""
    loss = loss_of(model, rows, weights) / n_targets
    loss.backward()
    return loss.item()


def accumulate_batch(model, batch, pool) -> tuple[float, int]:
    """Adds the gradient of a batch of batches.py; returns its loss and how many targets it has."""
    n_targets = sum(weights.numel() for _, weights in batch)
    long_rows, long_weights = batch[0]  # the other entries of a batch are smaller than a part of these
    parts = list(zip(long_rows.chunk(N_PARTS), long_weights.chunk(N_PARTS))) + batch[1:]
    return sum(pool.map(lambda part: accumulate(model, *part, n_targets), parts)), n_targets


def update(model, optimisers, lrs: list[float]) -> None:
    """One step of each optimiser at its rate, from the gradients that were added up."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser, lr in zip(optimisers, lrs):
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def keep(model, path: Path) -> None:
    """The weights as F16."""
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=CONFIGS, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--run", required=True, help="folder for the log, checkpoints and optimiser state")
    parser.add_argument("--tokens", type=float, required=True)
    parser.add_argument("--minutes", type=float, default=1e9, help="of this process, the decay included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="each takes parts of the batch; on a busy "
                        "machine far faster than two OpenMP threads that wait for each other at every product")
    parser.add_argument("--lr-matrix", type=float, default=0.02)
    parser.add_argument("--lr-rest", type=float, default=3e-3)
    parser.add_argument("--decay-share", type=float, default=0.4)
    parser.add_argument("--eval-every", type=int, default=250)
    parser.add_argument("--keep-every", type=int, default=0, help="keep an F16 checkpoint every N steps")
    parser.add_argument("--keep-until", type=int, default=10**9)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(args.threads, initializer=torch.set_num_threads, initargs=(1,))
    run = Path(args.run)
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(args.tokenizer)
    train_books, val_books = corpus.split(corpus.read_books(args.corpus))
    stream = corpus.encode_books(tokenizer, train_books)
    val_stream = corpus.encode_books(tokenizer, val_books)
    model = Gpt(CONFIGS[args.model])
    optimisers = make_optimisers(model, args.lr_matrix, args.lr_rest, pool)
    base_lrs = [args.lr_matrix, args.lr_rest]
    batches = Batches(args.model, tokenizer, stream, args.seed)
    step, n_tokens, mean_loss = 0, 0, None
    if (run / "state.pt").exists():
        state = torch.load(run / "state.pt")
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        step, n_tokens, mean_loss = state["step"], state["n_tokens"], state["mean_loss"]
        lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
        (run / "log.jsonl").write_text("".join(line for line in lines if json.loads(line)["step"] < step))

    def report() -> None:
        model.eval()
        entry = {"step": step, "tokens": n_tokens, "train_loss_nats": mean_loss,
                 "validation_loss_nats": scores.text_loss_nats(model, val_stream, max_windows=48),
                 "tokens_per_second": round((n_tokens - n_tokens_at_start) / (time.time() - start)),
                 **scores.repeated(model)}
        if model.cfg.d_mlp:
            entry["tasks"] = evaluate.tasks_quick(model, tokenizer)
        with open(run / "log.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")
        short = {k: entry[k] for k in ("step", "tokens", "train_loss_nats", "validation_loss_nats",
                                       "loss_second_copy_nats", "tokens_per_second")}
        print(json.dumps(short), "ind %.2f L%dH%d" % scores.best(entry["induction"]),
              "prev %.2f L%dH%d" % scores.best(entry["previous_token"]), entry.get("tasks", ""), flush=True)

    start, n_tokens_at_start, saved_at = time.time(), n_tokens, time.time()
    while True:
        elapsed_minutes = (time.time() - start) / 60
        progress = n_tokens / args.tokens
        if args.minutes < 1e9:  # the later of the token budget and the clock
            at_start = n_tokens_at_start / args.tokens
            progress = max(progress, at_start + (1 - at_start) * elapsed_minutes / args.minutes)
        is_done = progress >= 1
        if step % args.eval_every == 0 or is_done:
            report()
        if args.keep_every and step % args.keep_every == 0 and step <= args.keep_until or is_done:
            keep(model, run / "checkpoints" / f"step-{step:06d}.safetensors")
        if is_done or time.time() - saved_at > 180:
            saved_at = time.time()
            torch.save({"model": model.state_dict(), "optimisers": [o.state_dict() for o in optimisers],
                        "step": step, "n_tokens": n_tokens, "mean_loss": mean_loss}, run / "state.tmp")
            (run / "state.tmp").rename(run / "state.pt")
        if is_done:
            break
        loss_sum, n_targets = accumulate_batch(model, batches.at(step), pool)
        scale = lr_scale(step, progress, args.decay_share)
        update(model, optimisers, [base_lr * scale for base_lr in base_lrs])
        step, n_tokens = step + 1, n_tokens + n_targets
        mean_loss = loss_sum if mean_loss is None else 0.99 * mean_loss + 0.01 * loss_sum


if __name__ == "__main__":
    main()
