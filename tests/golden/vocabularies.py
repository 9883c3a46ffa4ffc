"""Small tokenizers with the parts of each family's real one, and ids by transformers.

What is small is the vocabulary; normalizer, pre-tokenizer, model options, added tokens and decoder are those of the
tokenizer.json that the family's models come with.
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import bpe
from files import write_json

N_VOCAB = 420
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CORPUS = [*bpe.CORPUS, *bpe.CORPUS, "I'll say it'LL do: 12 345 6789", "    four spaces,\n\n\tand a tab  ", "日本語 中文 中文"]
# The strings that llama.cpp tries its tokenizers with, and more of the kind.
TEXTS = [
    *bpe.TEXTS,
    "ied 4 ½ months",
    "Äpfel",
    " ",
    "  ",
    "   ",
    "\t",
    "\n\n",
    "\n\n\n",
    "\t\n",
    "Hello world",
    " Hello world",
    "Hello, world!",
    " this is 🦙.cpp",
    "w048 7tuijk dsdfhu",
    "нещо на Български",
    "កាន់តែពិសេសអាចខលចេញ",
    "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅ (only emoji that has its own token)",
    "    Hello\n    Hello",
    " (",
    "\n =",
    "' era",
    "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～",
    "!!!!!!",
    *("3" * n for n in range(1, 10)),
    "Cửa Việt",
    " discards",
    "I'VE been told he's there, 'RE you sure, WE'LL see",
    "e\u0301 and é, ﬁ and fi, ＡＢＣ",
    "<s> </s> <bos> <unk> <0x41> ▁",
    "a<|im_start|>b <|begin_of_text|>c<start_of_turn>d",
]


def save(out: Path) -> None:
    """Writes vocabularies/{family}.json and vocabularies/ids.json."""
    folder = out / "vocabularies"
    folder.mkdir(parents=True, exist_ok=True)
    ids = {}
    for family, make in FAMILIES.items():
        path = folder / f"{family}.json"
        path.write_text(json.dumps(json.loads(make().to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path))
        ids[family] = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    write_json(dict(texts=TEXTS, ids=ids), folder / "ids.json")


def byte_level(special: list[str], **model) -> Tokenizer:
    """A byte-level BPE with some special tokens first."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=N_VOCAB, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def neox() -> Tokenizer:
    tokenizer = byte_level(["<|endoftext|>", "<|padding|>"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    return tokenizer


def llama3() -> Tokenizer:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    tokenizer = byte_level(special, ignore_merges=True)
    tokenizer.pre_tokenizer = split(r"\p{N}{1,3}")
    begin = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin])
    return tokenizer


def qwen() -> Tokenizer:
    tokenizer = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split(r"\p{N}")
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def smollm() -> Tokenizer:
    tokenizer = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def split(digits: str):
    by_regex = pre_tokenizers.Split(Regex(SPLIT % digits), "isolated", invert=False)
    return pre_tokenizers.Sequence([by_regex, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def sentence_pieces(first: list[str]) -> Tokenizer:
    """A BPE over characters, spaces as U+2581, with a token for each byte that no character has."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = [*first, *(f"<0x{byte:02X}>" for byte in range(256))]
    corpus = [text for text in CORPUS if text.isascii() or "é" in text]
    trained.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=N_VOCAB + 200, special_tokens=special, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return Tokenizer(models.BPE(model["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))


def llama() -> Tokenizer:
    tokenizer = sentence_pieces(["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")])
    return tokenizer


def gemma() -> Tokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = sentence_pieces(special)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in [*special, "<start_of_turn>", "<end_of_turn>"]])
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in (2, 3)] + [AddedToken("▁" * n, normalized=False) for n in (2, 3, 4)])
    return tokenizer


FAMILIES = dict(neox=neox, llama=llama, llama3=llama3, smollm=smollm, qwen=qwen, gemma=gemma)
