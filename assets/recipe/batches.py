"""Puts rows together into the batch of a step. A batch is a list of (rows, weights) of equal length each.

The batch of a step depends on the seed and the step alone.
"""
from dataclasses import dataclass

import numpy as np
import torch

import corpus
import tasks


@dataclass
class Phase:
    """The mix of tales-4l from `first_step` on. `shares` are in the order of tasks.TASKS."""

    first_step: int
    n_span_in_32: int  # long rows that are repeated spans
    n_task_rows: int  # short rows of one task sample each, as a user would type it
    shares: list[float]  # of the tasks
    filler_weight: float
    n_repeat_rows: int  # short rows of some words and the same words again, as a user would type them
    wide_ioi: tuple[float, float]  # shares of the indirect object's names and verbs that are any words
    text_loops: bool = True  # text repeats until a row is full; else twice, and goes on, and only random tokens loop
    book_pronouns: float = 0.0  # share of the pronoun's templates that are made of words of the books


ANSWER_WEIGHTS = [5.0, 2.0, 2.5, 3.0, 4.0]  # of the loss, in the order of tasks.TASKS
PHASES = [
    Phase(0, 8, 64, [0.48, 0.08, 0.14, 0.20, 0.10], 0.1, 0, (0.6, 0.0)),
    # Induction heads of the span rows alone look less at the repetition in a short prompt.
    Phase(1_000, 8, 64, [0.48, 0.08, 0.14, 0.20, 0.10], 0.1, 16, (0.6, 0.0)),
    # The induction heads are there: more text.
    Phase(1_500, 5, 64, [0.48, 0.08, 0.14, 0.20, 0.10], 0.05, 16, (0.6, 0.0)),
    # It named the indirect object in held-out openings (0.97 of the time), less with held-out names (0.73) and hardly
    # ever gave a held-out verb's object to anybody (probability 0.4): more names, and any word as a verb.
    Phase(2_000, 5, 64, [0.44, 0.08, 0.15, 0.23, 0.10], 0.05, 16, (0.85, 0.4)),
    # Greedy text went round in circles ("a son who had a son who had"): text repeats itself once at most.
    Phase(4_009, 4, 48, [0.44, 0.08, 0.15, 0.23, 0.10], 0.05, 16, (0.85, 0.4), False),
]
# What unloop.py mixes, without and with pronouns after openings from books: in held-out templates their accuracy went up
# and down (0.88 to 1.00), but text is better without.
UNLOOP = {
    "plain": Phase(4_503, 4, 56, [0.38, 0.18, 0.14, 0.20, 0.10], 0.05, 16,
                   (0.85, 0.4), False),
    "books": Phase(4_503, 4, 56, [0.36, 0.24, 0.14, 0.18, 0.08], 0.05, 16,
                   (0.85, 0.4), False, 0.5),
}
TEXT_WITH_TASK_SHARE = 0.2  # of the text rows have a sample in their middle


class Batches:
    def __init__(self, model_name: str, tokenizer, stream: np.ndarray, seed: int):
        self.has_tasks = model_name == "tales-4l"
        self.stream, self.seed, self.phases = stream, seed, PHASES
        self.n_vocab = tokenizer.get_vocab_size()
        self.is_start = corpus.paragraph_starts(tokenizer, stream)
        self.sampler = tasks.Sampler(tokenizer, tasks.TRAIN, stream)
        self.sampler.is_wide, self.sampler.answer_weights = True, ANSWER_WEIGHTS

    def at(self, step: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng([self.seed, step])
        n_ctx = 512 if self.has_tasks else 256
        if step % 4 == 3:  # so that all positions are trained
            n_rows, n_tokens = 4096 // n_ctx, n_ctx
        else:
            n_rows, n_tokens = 32, 128
        if not self.has_tasks:
            return [self.long_rows(rng, step, n_tokens, n_rows * 3 // 4, n_rows // 4, 0, 0.5)]
        phase = [phase for phase in self.phases if phase.first_step <= step][-1]
        self.sampler.shares, self.sampler.filler_weight = phase.shares, phase.filler_weight
        self.sampler.wide_ioi, self.sampler.book_pronouns = phase.wide_ioi, phase.book_pronouns
        n_span = n_rows * phase.n_span_in_32 // 32
        n_packed = max(1, n_rows // 16)
        text_share = 0.5 if phase.text_loops else 0.0
        long = self.long_rows(rng, step, n_tokens, n_rows - n_span - n_packed, n_span, n_packed, text_share)
        batch = [long, *self.task_rows(rng, phase.n_task_rows)]
        if phase.n_repeat_rows:
            goes_on = not phase.text_loops
            batch.append(padded([corpus.repeat_row(rng, self.stream, goes_on) for _ in range(phase.n_repeat_rows)]))
        return batch

    def long_rows(self, rng, step, n_tokens: int, n_text: int, n_span: int, n_packed: int, text_share: float):
        rows = [self.text(rng, step * 32 + i, n_tokens) for i in range(n_text)]
        rows += [corpus.span_row(rng, self.stream, self.n_vocab, n_tokens, text_share) for _ in range(n_span)]
        rows += [self.packed(rng, n_tokens) for _ in range(n_packed)]
        return stack(rows)

    def text(self, rng, row_idx: int, n_tokens: int):
        row = corpus.text_row(self.stream, row_idx, n_tokens, self.is_start)
        weights = np.ones(n_tokens, dtype=np.float32)
        if self.has_tasks and rng.random() < TEXT_WITH_TASK_SHARE:
            tokens, sample_weights = self.sampler.sample(rng)
            at = int(rng.integers(1, n_tokens - len(tokens)))
            row = np.concatenate([row[:at], tokens, [corpus.BOS], row[at:]])[:n_tokens + 1]
            weights[at:at + len(sample_weights)] = sample_weights
        return row, weights

    def packed(self, rng, n_tokens: int):
        tokens, weights = [], []
        while len(tokens) <= n_tokens:
            sample, sample_weights = self.sampler.sample(rng)
            tokens += sample
            weights += sample_weights + [1.0]  # the last target is the BOS of the next sample
        return np.array(tokens[:n_tokens + 1]), np.array(weights[:n_tokens], dtype=np.float32)

    def task_rows(self, rng, n_rows: int):
        """The shorter three quarters and the longer quarter apart, so that little is padding."""
        samples = sorted((self.sampler.sample(rng) for _ in range(n_rows)), key=lambda s: len(s[0]))
        n_short = n_rows * 3 // 4
        return [padded(samples[:n_short]), padded(samples[n_short:])]


def padded(samples) -> tuple[torch.Tensor, torch.Tensor]:
    n_tokens = max(len(weights) for _, weights in samples)
    return stack([(np.array(tokens + [corpus.BOS] * (n_tokens - len(weights))),
                   np.array(weights + [0.0] * (n_tokens - len(weights)), dtype=np.float32))
                  for tokens, weights in samples])


def stack(rows) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.from_numpy(np.stack([row for row, _ in rows])),
            torch.from_numpy(np.stack([weights for _, weights in rows])))
