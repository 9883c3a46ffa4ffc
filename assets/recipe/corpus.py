"""Reads the corpus and turns it into training rows. It never looks at the validation books while sampling.

A corpus is a `.tar.xz` of plain-text books. Books are sorted by file name; the last whole books that
together make at most 4 % of the bytes are the validation split.
"""
import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

BOS = 0  # `<|bos|>`: starts every row and every document
VALIDATION_SHARE = 0.04
GOLDEN = 0.6180339887498949


@dataclass
class Book:
    title: str
    text: str
    sha256: str  # of the file's bytes


def read_books(corpus_path: str) -> list[Book]:
    books = []
    with tarfile.open(corpus_path) as archive:
        for member in archive.getmembers():
            if member.isfile() and member.name.endswith(".txt"):
                raw = archive.extractfile(member).read()
                title = PurePosixPath(member.name).stem.replace("-s-", "'s-").replace("-", " ")
                books.append(Book(title, raw.decode("utf-8"), hashlib.sha256(raw).hexdigest()))
    return sorted(books, key=lambda book: book.title)


def split(books: list[Book]) -> tuple[list[Book], list[Book]]:
    """(training books, validation books)."""
    total_chars = sum(len(book.text) for book in books)
    first_val, val_chars = len(books), 0
    while val_chars + len(books[first_val - 1].text) <= VALIDATION_SHARE * total_chars:
        first_val -= 1
        val_chars += len(books[first_val].text)
    return books[:first_val], books[first_val:]


def encode_books(tokenizer, books: list[Book]) -> np.ndarray:
    """All books as one token stream, each preceded by BOS. [n_tokens]"""
    encoded = tokenizer.encode_batch([book.text for book in books])
    return np.concatenate([np.array([BOS] + e.ids, dtype=np.int64) for e in encoded])


def text_row(stream: np.ndarray, row_idx: int, n_tokens: int, is_start: np.ndarray) -> np.ndarray:
    """The `row_idx`-th text row: BOS and a stretch of a book. [n_tokens + 1]

    Starts follow the golden-ratio sequence: no state, and every epoch covers the corpus evenly.
    Where a paragraph begins within the 32 tokens before, the row starts there.
    """
    n_starts = len(stream) - n_tokens - 1
    start = int((row_idx * GOLDEN) % 1.0 * n_starts)
    near = np.flatnonzero(is_start[max(0, start - 32):start + 1])
    if len(near):
        start = max(0, start - 32) + int(near[-1])
    return np.concatenate([[BOS], stream[start:start + n_tokens]])


def paragraph_starts(tokenizer, stream: np.ndarray) -> np.ndarray:
    """True where a paragraph (or a book) begins. [n_tokens] bool"""
    breaks = [i for t, i in tokenizer.get_vocab().items() if t in ("ĊĊ", "Ċ")]
    is_break = np.isin(stream, breaks + [BOS])
    return np.concatenate([[True], is_break[:-1] & ~is_break[1:]])


def span_row(rng: np.random.Generator, stream: np.ndarray, n_vocab: int, n_tokens: int, text_share: float = 0.5):
    """BOS and one span repeated until the row is full: (row, weights), [n_tokens + 1] and [n_tokens].

    `text_share` of the spans are text, the others random tokens. Nothing can be learned from the first copy of
    random tokens, so its loss has weight 0.
    """
    n_span = int(np.exp(rng.uniform(np.log(5), np.log(min(110, n_tokens // 2)))))
    weights = np.ones(n_tokens, dtype=np.float32)
    if rng.random() < 1 - text_share:
        span = rng.integers(1, n_vocab, n_span)
        weights[:n_span] = 0.0
    else:
        start = int(rng.integers(0, len(stream) - n_span))
        span = stream[start:start + n_span]
    return np.concatenate([[BOS], np.resize(span, n_tokens)]), weights


def repeat_row(rng: np.random.Generator, stream: np.ndarray, goes_on: bool) -> tuple[list[int], list[float]]:
    """BOS, 4 to 20 tokens of a book and the same again; then, if it `goes_on`, others: (tokens, weights)."""
    n_span = int(rng.integers(4, 21))
    start = int(rng.integers(0, len(stream) - n_span))
    tokens = [BOS, *np.tile(stream[start:start + n_span], 2).tolist()]
    if goes_on:
        n_after = int(rng.integers(4, 25))
        start = int(rng.integers(0, len(stream) - n_after))
        tokens += stream[start:start + n_after].tolist()
    return tokens, [1.0] * (len(tokens) - 1)
