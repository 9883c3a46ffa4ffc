"""Scores that need only a model: losses, head scores on repeated random tokens. Shared by train and evaluate.

A repeated sequence is BOS, R, R with R of n random tokens (ids 1 and up), so its length is 2n + 1.
For a query q in the second copy (q = n+1 .. 2n), averaged over q and sequences:
- induction score of a head: pattern[q, q - (n - 1)], the attention to the token after the first copy;
- previous-token score: pattern[q, q - 1] (over all q from 1 on);
- duplicate-token score: pattern[q, q - n].
Loss of a copy: the mean of -log p of its tokens; the second copy leaves out its first token, which
nothing announces.
"""
import numpy as np
import torch
import torch.nn.functional as F

N_SEQUENCES, SEED = 32, 20_240


@torch.no_grad()
def repeated(model, n: int = 50, n_sequences: int = N_SEQUENCES, seed: int = SEED) -> dict:
    rng = np.random.default_rng(seed)
    r = torch.from_numpy(rng.integers(1, model.cfg.n_vocab, (n_sequences, n)))
    tokens = torch.cat([torch.zeros(n_sequences, 1, dtype=torch.long), r, r], 1)
    patterns = []
    logits = model(tokens, patterns)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(),
                           reduction="none").view(n_sequences, 2 * n)

    def stripe(offset: int, first_q: int) -> list[list[float]]:  # [layer head]
        return [p.diagonal(-offset, -2, -1)[..., first_q - offset:].mean((0, 2)).tolist() for p in patterns]

    return {
        "n": n,
        "induction": stripe(n - 1, n + 1),
        "previous_token": stripe(1, 1),
        "duplicate_token": stripe(n, n + 1),
        "loss_first_copy_nats": loss[:, :n].mean().item(),
        "loss_second_copy_nats": loss[:, n + 1:].mean().item(),
    }


@torch.no_grad()
def text_loss_nats(model, stream: np.ndarray, max_windows: int | None = None, batch: int = 16) -> float:
    """Mean loss over a token stream, cut into windows of n_ctx - 1 tokens with BOS before each.

    Every token is predicted once, the first of a window from BOS alone; BOS is never predicted.
    """
    n = model.cfg.n_ctx - 1
    n_windows = -(-len(stream) // n)
    padded = np.zeros(n_windows * n, dtype=np.int64)
    padded[:len(stream)] = stream
    rows = torch.from_numpy(np.insert(padded.reshape(n_windows, n), 0, 0, axis=1))
    if max_windows and max_windows < n_windows:
        rows = rows[torch.linspace(0, n_windows - 2, max_windows).long()]
    total, count = 0.0, 0
    for chunk in rows.split(batch):
        logits = model(chunk)[:, :-1].flatten(0, 1).float()
        targets = chunk[:, 1:].flatten()
        total += F.cross_entropy(logits, targets, ignore_index=0, reduction="sum").item()
        count += int((targets != 0).sum())
    return total / count


def best(scores: list[list[float]], layers=None) -> tuple[float, int, int]:
    """(score, layer, head) of the highest entry."""
    return max((s, l, h) for l, row in enumerate(scores) for h, s in enumerate(row)
               if layers is None or l in layers)
