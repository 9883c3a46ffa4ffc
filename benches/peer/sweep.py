"""A sweep of residual patches in batches: every block and position of a clean run into a corrupted one.

The rows of many runs go through a block together, so that each weight is read once a block. What is run is a choice
of rows, and three choices are measured:
  naive         every run from the first block, all positions: what a hook on a batched model does
  from_layer    each run from the block where it is patched, all positions
  shared_prefix each run from the block and the position where it is patched; before it, the base run's rows
"""

import torch
import torch.nn.functional as F

ARRANGEMENTS = {
    "naive": (lambda layer: 0, lambda pos: 0),
    "from_layer": (lambda layer: layer, lambda pos: 0),
    "shared_prefix": (lambda layer: layer, lambda pos: pos),
}
"""Where a patch's run begins: the block, and the first position."""


class Sweep:
    """The two prompts, and the columns of the logits that are read at the last position."""

    def __init__(self, model, corrupted, clean, columns):
        self.model, self.corrupted, self.clean = model, corrupted, clean
        self.unembed = model.wte[columns].T.contiguous()

    def run(self, arrangement):
        """Logits of the chosen columns at the last position, [block pos column]."""
        model, n = self.model, len(self.corrupted)
        starts_at, first_row = arrangement
        # Runs 0 and 1 are the base, which is patched, and the clean run, which is patched from.
        x = torch.cat([model.embed(self.corrupted), model.embed(self.clean)])
        runs = [(0, 0, None), (n, 0, None)]  # (start of its rows, its first position, (block, position) patched)
        for layer in range(model.n_layers):
            x, runs = self.join(x, runs, layer, starts_at, first_row)
            patched = [(start + at[1] - first, n + at[1]) for start, first, at in runs if at and at[0] == layer]
            to, source = torch.tensor(patched, device=x.device).T
            x[to] = x[source]
            x = self.block(layer, x, runs)
        last = torch.tensor([start + n - first - 1 for start, first, at in runs if at], device=x.device)
        by_run = model.norm(x[last], model.ln_f) @ self.unembed
        order = sorted(range(len(by_run)), key=lambda i: [at for _, _, at in runs if at][i])
        return by_run[order].view(model.n_layers, n, -1)

    def join(self, x, runs, layer, starts_at, first_row):
        """Adds the runs that begin at `layer`, with the base run's rows."""
        n = len(self.corrupted)
        news = [(of, pos) for of in range(self.model.n_layers) if starts_at(of) == layer for pos in range(n)]
        rows, runs, end = [x], list(runs), len(x)
        for of, pos in news:
            first = first_row(pos)
            rows.append(x[first:n])
            runs.append((end, first, (of, pos)))
            end += n - first
        return torch.cat(rows), runs

    def block(self, layer, x, runs):
        """All rows through one block; a run without early rows sees the base run's."""
        model, n = self.model, len(self.corrupted)
        q, k, v = model.qkv(layer, x)
        if all(first == 0 for _, first, _ in runs):
            q, k, v = (model.heads(part.view(-1, n, model.d_model)) for part in (q, k, v))
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return model.write(layer, x, z.transpose(1, 2).reshape(len(x), -1))
        starts, firsts, _ = zip(*runs)
        starts, firsts = (torch.tensor(of, device=x.device)[:, None] for of in (starts, firsts))
        positions = torch.arange(n, device=x.device)
        is_own = firsts <= positions  # [run pos]
        row = torch.where(is_own, starts + positions - firsts, positions)  # [run pos]
        q, k, v = (model.heads(part[row]) for part in (q, k, v))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        z = z.transpose(1, 2).flatten(2)  # [run pos (head e)]
        return model.write(layer, x, z[is_own])
