"""Templated tasks: sentences in which one token (or a few) follows from what came before.

    ioi           When Mary and John went to the store, John gave the drum to -> Mary
    pronoun       When Alice came home, -> she
    brackets      It began ( cat [ ring -> ]
    greater_than  The war lasted from the year 1732 to the year 17 -> any of 33 .. 99
    key_value     The fox has the key. The bear has the ring. The fox has the -> key

A sample belongs to a split: TRAIN (training words in training templates), HELD_WORDS (held-out names,
words and four-digit years in training templates), HELD_OUT (these in held-out templates).
"""
import re
from dataclasses import dataclass

import numpy as np

import words as w

TRAIN, HELD_WORDS, HELD_OUT = "train", "held_words", "held_out"
TASKS = ["ioi", "pronoun", "brackets", "greater_than", "key_value"]
WIDE_SHARE = 0.6  # of the words of a wide sampler are any words of the vocabulary, not those of words.py
BOOK_OPENING_SHARE = 0.5  # of its indirect-object openings are made of words of the books
POSSESSIVE_SHARE = 0.4  # of its indirect objects go on with "and took his ring"


@dataclass
class Sample:
    task: str
    tokens: list[int]  # BOS first
    weights: list[float]  # of the loss of tokens[1:]
    answer_pos: list[int]  # where the answers stand in `tokens`
    candidates: list[int]  # what an answer competes with
    correct: list[set[int]]  # for each answer, the candidates that are right


def single_token_words() -> list[str]:
    names = w.WOMEN + w.MEN
    nouns = [word for pair in (w.PLACES, w.OBJECTS, w.ANIMALS, w.EVENTS) for half in pair for word in half]
    return [" " + word for word in names + nouns + ["he", "she", "his", "her"]] + \
        [bracket for pair in w.BRACKETS for bracket in pair]


class Sampler:
    """Makes samples of a split. While `is_wide`, the words of the training split come from the whole vocabulary too
    (never the held-out ones), for a model that sees few words learns those by heart and copies no others. With
    `stream` (tokens of books), it makes openings of their words too."""

    def __init__(self, tokenizer, split: str, stream: np.ndarray | None = None):
        self.is_wide, self.wide_ioi, self.book_pronouns = False, (WIDE_SHARE, 0.0), 0.0
        self.shares = [1 / len(TASKS)] * len(TASKS)  # of the tasks
        self.answer_weights, self.filler_weight = [1.0] * len(TASKS), 1.0  # of the loss
        held_out = set(w.IOI_HELD_OUT + [word for pair in (w.PLACES, w.OBJECTS, w.ANIMALS, w.EVENTS) for word in pair[1]])
        words = [token[1:] for token in sorted(tokenizer.get_vocab()) if re.fullmatch("Ġ[A-Za-z][a-z]{2,}", token)]
        self.wide_words = [word for word in words if word.islower() and word not in held_out]
        self.wide_names = [word for word in words if not word.islower() and word not in held_out]
        self.wide_verbs = [word for word in self.wide_words if word not in w.IOI_HELD_OUT_VERBS]
        self.split, self.encoded, self.tokenizer = split, {}, tokenizer
        self.stream, self.run_starts = stream, word_runs(tokenizer, stream) if stream is not None else None
        self.word_half = int(split != TRAIN)
        self.template_half = int(split == HELD_OUT)

    def sample(self, rng: np.random.Generator) -> tuple[list[int], list[float]]:
        made = self.make(rng, str(rng.choice(TASKS, p=self.shares)))
        return made.tokens, made.weights

    def make(self, rng: np.random.Generator, task: str) -> Sample:
        """`parts` alternate: text, answer, text, answer, ..., text."""
        parts, candidates, correct = getattr(self, task)(rng)
        tokens, weights, answer_pos = [0], [], []
        answer_weight = self.answer_weights[TASKS.index(task)]
        for i, part in enumerate(parts):
            ids = self.ids(part)
            if i % 2:
                assert len(ids) == 1, f"{part!r} is not one token"
                answer_pos.append(len(tokens))
            tokens += ids
            weights += [answer_weight if i % 2 else self.filler_weight] * len(ids)
        return Sample(task, tokens, weights, answer_pos, candidates, correct)

    def ids(self, text: str) -> list[int]:
        if text not in self.encoded:
            self.encoded[text] = self.tokenizer.encode(text).ids
        return self.encoded[text]

    def id(self, text: str) -> int:
        return self.ids(text)[0]

    def names(self, held_out: list[str]) -> list[str]:
        return [n for n in w.WOMEN + w.MEN if (n in held_out) == (self.split != TRAIN)]

    def ioi(self, rng):
        names, is_gendered = self.names(w.IOI_HELD_OUT), True
        if self.is_wide and rng.random() < self.wide_ioi[0]:
            names, is_gendered = (self.wide_names if rng.random() < 0.8 else self.wide_words), False
        a, b = (" " + n for n in rng.choice(names, 2, replace=False))
        subject, indirect = (a, b) if rng.random() < 0.5 else (b, a)
        if self.is_wide and self.stream is not None and rng.random() < BOOK_OPENING_SHARE:
            opening = self.book_opening(rng)
        else:
            opening = pick(rng, w.IOI_OPENINGS[self.template_half])
        action = pick(rng, w.IOI_ACTIONS[self.template_half])
        if self.is_wide and self.wide_ioi[1] and rng.random() < self.wide_ioi[1]:
            action = " " + pick(rng, self.wide_verbs) + pick(rng, [" the", " the", " a", " his", " her"]) + "{obj} to"
        opening = opening.format(a=a, b=b, place=self.word(rng, w.PLACES), obj=self.word(rng, w.OBJECTS))
        prompt = opening + subject + action.format(obj=self.word(rng, w.OBJECTS))
        ending = [pick(rng, [".", ".", " and went home.", ", and"])]
        if self.is_wide and is_gendered and rng.random() < POSSESSIVE_SHARE:
            ending = [" and took", " her" if subject[1:] in w.WOMEN else " his", self.word(rng, w.OBJECTS) + "."]
        return [prompt, indirect, *ending], [self.id(a), self.id(b)], [{self.id(indirect)}]

    def pronoun(self, rng):
        name = pick(rng, self.names(w.PRONOUN_HELD_OUT))
        template = pick(rng, w.PRONOUN_TEMPLATES[self.template_half])
        if self.book_pronouns and rng.random() < self.book_pronouns:
            opening = pick(rng, w.PRONOUN_LEADS) + "{n}" + self.run(rng, int(rng.integers(1, 6)))
            template = opening + pick(rng, w.PRONOUN_TURNS)
        if self.is_wide and rng.random() < 0.3 and not template.startswith(("Poor", "Little")):
            name = "the " + pick(rng, pick(rng, [w.WOMEN_NOUNS, w.MEN_NOUNS]))
        is_woman = name in w.WOMEN or name[4:] in w.WOMEN_NOUNS
        pronoun, poss = (" she", " her") if is_woman else (" he", " his")
        prompt = template.format(n=" " + name, place=self.word(rng, w.PLACES), obj=self.word(rng, w.OBJECTS))
        parts = [prompt, pronoun]
        ending = pick(rng, w.PRONOUN_ENDINGS).format(poss="|", obj=self.word(rng, w.OBJECTS))
        parts += [ending] if "|" not in ending else [ending.split("|")[0], poss, ending.split("|")[1]]
        return parts, [self.id(" he"), self.id(" she")], [{self.id(pronoun)}]

    def brackets(self, rng):
        text, stack, parts, correct = pick(rng, w.BRACKET_PREFIXES[self.template_half]), [], [], []
        n_pairs, n_opened = int(rng.integers(2, 6)), 0
        nouns = w.OBJECTS[self.word_half] + w.ANIMALS[self.word_half]
        while stack or n_opened < n_pairs:
            if n_opened < n_pairs and (not stack or len(stack) < 4 and rng.random() < 0.6):
                opening, closing = pick(rng, w.BRACKETS)
                stack.append(closing)
                text, n_opened = text + opening, n_opened + 1
            else:
                parts += [text, stack[-1]]
                correct.append({self.id(stack.pop())})
                text = ""
            if rng.random() < 0.5:
                text += self.wide(rng) or " " + pick(rng, nouns)
        return parts + [text], [self.id(closing) for _, closing in w.BRACKETS], correct

    def greater_than(self, rng):
        while True:
            century, year = int(rng.integers(11, 20)), int(rng.integers(2, 97))
            if ((century * 100 + year) * 7919 % 5 == 0) == (self.split != TRAIN):
                break
        template = pick(rng, w.YEAR_TEMPLATES[self.template_half])
        prompt = template.format(event=self.word(rng, w.EVENTS), y=f"{century}{year:02d}", c=century)
        larger = [f"{n:02d}" for n in range(year + 1, 100)]
        return [prompt, pick(rng, larger), "."], [self.id(f"{n:02d}") for n in range(100)], \
            [{self.id(n) for n in larger}]

    def key_value(self, rng):
        n = int(rng.integers(2, 5))
        keys = rng.choice(w.ANIMALS[self.word_half], n, replace=False)
        values = rng.choice(w.OBJECTS[self.word_half], n, replace=False)
        if self.is_wide and rng.random() < WIDE_SHARE:
            chosen = rng.choice(self.wide_words, 2 * n, replace=False)
            keys, values = chosen[:n], chosen[n:]
        template = pick(rng, w.KEY_VALUE_TEMPLATES[self.template_half])
        asked = int(rng.integers(n))
        facts = "".join(template.format(k=f" {k}", v=f" {v}") for k, v in zip(keys, values))
        question, end = template.format(k=f" {keys[asked]}", v="|").split("|")
        return [(facts + question).lstrip(), " " + values[asked], end], [self.id(f" {v}") for v in values], \
            [{self.id(f" {values[asked]}")}]

    def book_opening(self, rng) -> str:
        """ "Soon the little{a} and{b} would not go," with all but the lead and the names from a book."""
        before, between, after = (self.run(rng, int(rng.integers(least, 6))) for least in (0, 1, 1))
        lead = pick(rng, w.IOI_LEADS) + (before if rng.random() < 0.5 else "")
        between = between if rng.random() < 0.2 else " and"
        return lead + "{a}" + between + "{b}" + after + pick(rng, [",", ",", ",", ".", ", and", ". Then", "; there"])

    def run(self, rng, n_tokens: int) -> str:
        """`n_tokens` tokens in a row from a book, each a lower-case word."""
        start = int(pick(rng, self.run_starts))
        return self.tokenizer.decode(self.stream[start:start + n_tokens].tolist())

    def word(self, rng, halves) -> str:
        return self.wide(rng) or " " + pick(rng, halves[self.word_half])

    def wide(self, rng) -> str:
        return " " + pick(rng, self.wide_words) if self.is_wide and rng.random() < WIDE_SHARE else ""


def word_runs(tokenizer, stream: np.ndarray, n_tokens: int = 5) -> np.ndarray:
    """Where `n_tokens` tokens in a row are lower-case words."""
    words = [id for token, id in tokenizer.get_vocab().items() if re.fullmatch("Ġ[a-z]+", token)]
    is_word = np.isin(stream, words)
    return np.flatnonzero(np.lib.stride_tricks.sliding_window_view(is_word, n_tokens).all(1))


def pick(rng, items):
    return items[int(rng.integers(len(items)))]
