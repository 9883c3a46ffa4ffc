"""A small byte-level BPE in GPT-2's two formats, with ids made by transformers' GPT2Tokenizer."""

from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Tokenizer

from files import write_json

N_VOCAB = 340
EOT = "<|endoftext|>"

CORPUS = [
    "Once upon a time there was a little house at the edge of the forest.",
    "The fox said to the hare: 'I don't believe that it's the end of the tale, but we'll see.'",
    "The year 1732 was colder than the year 1731, they're told; she'd never been so cold.",
    "Mary gave the drum to John, and John gave the drum to Mary.",
    "the the the and and and that that this this of of of to to to in in in",
    "def f(x):\n    return x + 1\n\n\nprint(f(41))",
    "naïve café, coöperate; Größe, übermäßig; déjà vu",
]

TEXTS = [
    "Once upon a time",
    " the fox",
    "the  two   spaces and    four",
    "trailing space ",
    "\n",
    "line one\nline two\r\n\tindented\n\n\nend",
    "I don't, you're, we'll, she'd, it's, I'm, they've, IT'S",
    "naïve café déjà vu",
    "Größe übermäßig ß ẞ",
    "the 🦊 and the 🐇 👩‍👩‍👧‍👦 🇫🇷",
    "日本語のテキスト 中文 한국어",
    "Привет, мир! שלום עולם مرحبا",
    "e\u0301 combining, \u00a0no-break, \u200bzero-width, \u2028line separator, \u3000ideographic",
    "123 4567 89,012.5 ½ ² Ⅷ",
    "a_b-c/d\\e \"quoted\" <tag> [x] {y} #!?",
    "\x00\x01\x7f control",
    "",
    "x",
    "aaaaaaaaaaaaaaaa",
    f"The end.{EOT}Once",
    f"{EOT}{EOT}",
    "<|endoftext |> is not special",
]


def save(out: Path) -> None:
    """Writes bpe-pair/ (vocab.json, merges.txt), bpe-json/ (tokenizer.json) and bpe.json (text and ids)."""
    pair, single = out / "bpe-pair", out / "bpe-json"
    for folder in (pair, single):
        folder.mkdir(parents=True, exist_ok=True)

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=N_VOCAB, min_frequency=1, special_tokens=[EOT], show_progress=False)
    trained.save_model(str(pair))

    tokenizer = GPT2Tokenizer.from_pretrained(str(pair), local_files_only=True)
    tokenizer.backend_tokenizer.save(str(single / "tokenizer.json"))

    cases = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS]
    for case in cases:
        back = tokenizer.decode(case["ids"], clean_up_tokenization_spaces=False)
        assert back == case["text"], (back, case["text"])
    golden = {"eos_token": EOT, "eos_id": tokenizer.eos_token_id, "cases": cases}
    write_json(golden, out / "bpe.json")
