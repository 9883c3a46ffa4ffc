"""Interpolated modified Kneser-Ney 5-gram (Chen and Goodman 1998), the baseline of the validation loss.

    python kneser_ney.py --corpus tales.tar.xz --tokenizer DIR/tokenizer.json

An n-gram is one int64: 12 bits a token, the last token lowest. The highest order uses counts, the lower
ones continuation counts (how many different tokens stand before); each order has its own three discounts;
the unigram is interpolated with the uniform distribution.
"""
import argparse

import numpy as np

ORDER, BITS = 5, 12
MASK = (1 << BITS) - 1


def windows(stream: np.ndarray, n: int) -> np.ndarray:
    """The n-gram that ends at each position; before the start stands token 0. [n_tokens] int64"""
    padded = np.concatenate([np.zeros(n - 1, dtype=np.int64), stream])
    keys = np.zeros(len(stream), dtype=np.int64)
    for i in range(n):
        keys = (keys << BITS) | padded[i:i + len(stream)]
    return keys


def look_up(sorted_keys: np.ndarray, values: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """values[key], 0 where the key is absent."""
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == keys, values[at], 0)


def discounts(counts: np.ndarray) -> np.ndarray:
    """[0, D1, D2, D3+], from the numbers of n-grams seen once to four times."""
    n1, n2, n3, n4 = ((counts == c).sum() for c in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])


class OneOrder:
    """Counts of one order and, for each context, their sum and the mass that the discounts free."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray):
        self.keys, self.counts = keys, counts
        self.discount = discounts(counts)
        context_of_key = keys >> BITS
        first = np.flatnonzero(np.concatenate([[True], np.diff(context_of_key) != 0]))
        self.contexts = context_of_key[first]
        self.totals = np.add.reduceat(counts, first)
        self.freed = np.add.reduceat(self.discount[np.minimum(counts, 3)], first)

    def interpolate(self, keys: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """p(last token | the others), given that of the next lower order."""
        counts = look_up(self.keys, self.counts, keys)
        totals = look_up(self.contexts, self.totals, keys >> BITS)
        freed = look_up(self.contexts, self.freed, keys >> BITS)
        p = (counts - self.discount[np.minimum(counts, 3)] + freed * lower) / np.maximum(totals, 1)
        return np.where(totals > 0, p, lower)


def fit(stream: np.ndarray) -> list[OneOrder]:
    """Orders 1 to ORDER."""
    keys, counts = np.unique(windows(stream, ORDER)[ORDER - 1:], return_counts=True)
    orders = [OneOrder(keys, counts)]
    for n in range(ORDER - 1, 0, -1):
        keys, counts = np.unique(keys & ((1 << BITS * n) - 1), return_counts=True)
        orders.insert(0, OneOrder(keys, counts))
    return orders


def probabilities(orders: list[OneOrder], stream: np.ndarray, n_vocab: int) -> np.ndarray:
    """p of each token of the stream, given the four before it. [n_tokens]"""
    p = np.full(len(stream), 1 / n_vocab)
    for n, order in enumerate(orders, start=1):
        p = order.interpolate(windows(stream, n), p)
    return p


def loss_nats(train: np.ndarray, validation: np.ndarray, n_vocab: int) -> float:
    """Mean -log p over the validation stream; BOS (id 0) is not predicted, as in scores.text_loss_nats."""
    assert n_vocab <= MASK + 1
    p = probabilities(fit(train), validation, n_vocab)
    return float(-np.log(p[validation != 0]).mean())


def check_sums_to_one(orders: list[OneOrder], stream: np.ndarray, n_vocab: int) -> None:
    """The distribution after a few contexts of `stream` sums to one."""
    for end in range(100, 1000, 100):
        context = stream[end - ORDER + 1:end]
        rows = np.stack([np.append(context, token) for token in range(n_vocab)])
        p = np.full(n_vocab, 1 / n_vocab)
        for n, order in enumerate(orders, start=1):
            keys = np.zeros(n_vocab, dtype=np.int64)
            for i in range(ORDER - n, ORDER):
                keys = (keys << BITS) | rows[:, i]
            p = order.interpolate(keys, p)
        assert abs(p.sum() - 1) < 1e-9, p.sum()


def main() -> None:
    from tokenizers import Tokenizer

    import corpus

    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--tokenizer", required=True)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(args.tokenizer)
    n_vocab = tokenizer.get_vocab_size()
    train, validation = (corpus.encode_books(tokenizer, b) for b in corpus.split(corpus.read_books(args.corpus)))
    check_sums_to_one(fit(train), validation, n_vocab)
    print(f"{loss_nats(train, validation, n_vocab):.4f} nats a token, {len(train)} training tokens")


if __name__ == "__main__":
    main()
