"""Trains a byte-level BPE tokenizer. It never adds BOS to a text: the engine does that.

    python make_tokenizer.py --corpus tales.tar.xz --vocab 4096 --tasks --out DIR
"""
import argparse
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus
import tasks

# GPT-2's pattern, except that digits come in groups of at most two, without their space:
# " 1732" -> " ", "17", "32".
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Each word that must be one token is shown this often to the trainer, well above its last merge.
N_SHOWN = 4000


def train(books: list[corpus.Book], n_vocab: int, words: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab, special_tokens=["<|bos|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    texts = [book.text for book in books] + [word * N_SHOWN for word in words]
    tokenizer.train_from_iterator(texts, trainer)
    assert tokenizer.get_vocab_size() == n_vocab and tokenizer.token_to_id("<|bos|>") == corpus.BOS
    split_words = [word for word in words if len(tokenizer.encode(word).ids) != 1]
    assert not split_words, f"not single tokens: {split_words}"
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--vocab", type=int, required=True)
    parser.add_argument("--tasks", action="store_true", help="make the words of tasks.py single tokens")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    train_books, _ = corpus.split(corpus.read_books(args.corpus))
    words = [f"{n:02d}" for n in range(100)] + (tasks.single_token_words() if args.tasks else [])
    Path(args.out).mkdir(parents=True, exist_ok=True)
    train(train_books, args.vocab, words).save(str(Path(args.out) / "tokenizer.json"))


if __name__ == "__main__":
    main()
