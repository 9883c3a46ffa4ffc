"""Random weights in the shape of GPT-2 small, written tensor by tensor."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Shape:
    """The sizes of a model."""

    n_layers: int = 12
    n_heads: int = 12
    d_model: int = 768
    d_mlp: int = 3072
    d_vocab: int = 50257
    n_ctx: int = 1024
    eps: float = 1e-5

    @property
    def d_head(self):
        return self.d_model // self.n_heads

    def config(self):
        """As config.json has it. Without an end of sequence, so that continuations have the length asked for."""
        return {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "n_layer": self.n_layers,
            "n_head": self.n_heads,
            "n_embd": self.d_model,
            "n_inner": self.d_mlp,
            "n_positions": self.n_ctx,
            "n_ctx": self.n_ctx,
            "vocab_size": self.d_vocab,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": self.eps,
            "tie_word_embeddings": True,
        }

    def tensors(self):
        """Name, shape, mean and spread of every tensor, in the order of the file."""
        d, mlp = self.d_model, self.d_mlp
        yield "wte.weight", (self.d_vocab, d), 0.0, 0.05
        yield "wpe.weight", (self.n_ctx, d), 0.0, 0.05
        for layer in range(self.n_layers):
            at = f"h.{layer}."
            for norm in ("ln_1", "ln_2"):
                yield f"{at}{norm}.weight", (d,), 1.0, 0.1
                yield f"{at}{norm}.bias", (d,), 0.0, 0.05
            # Wide enough that heads choose between positions: an even pattern would hide a wrong one.
            yield f"{at}attn.c_attn.weight", (d, 3 * d), 0.0, 0.05
            yield f"{at}attn.c_attn.bias", (3 * d,), 0.0, 0.05
            yield f"{at}attn.c_proj.weight", (d, d), 0.0, 0.02
            yield f"{at}attn.c_proj.bias", (d,), 0.0, 0.02
            yield f"{at}mlp.c_fc.weight", (d, mlp), 0.0, 0.04
            yield f"{at}mlp.c_fc.bias", (mlp,), 0.0, 0.05
            yield f"{at}mlp.c_proj.weight", (mlp, d), 0.0, 0.01
            yield f"{at}mlp.c_proj.bias", (d,), 0.0, 0.02
        yield "ln_f.weight", (d,), 1.0, 0.1
        yield "ln_f.bias", (d,), 0.0, 0.05


SAE = (
    ("W_enc", (768, 24576), 0.0, 0.04),
    ("b_enc", (24576,), -0.5, 0.1),
    ("b_dec", (768,), 0.0, 0.1),
    ("W_dec", (24576, 768), 0.0, 0.04),
)
"""A sparse autoencoder, in the order of its file."""

SAE_INPUT = ("x", (64, 768), 0.0, 1.0)
"""A stream for it to read."""


def sae_config():
    """As cfg.json has it."""
    (_, (d_in, d_sae), _, _), *_ = SAE
    return {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": d_sae,
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.0.0", "hook_name": "blocks.8.hook_resid_pre", "prepend_bos": False},
    }


def values(seed, index, shape, mean, spread):
    """The values of one tensor; they depend on nothing but the arguments."""
    random = np.random.Generator(np.random.PCG64([seed, index]))
    return random.standard_normal(shape, dtype=np.float32) * np.float32(spread) + np.float32(mean)


def write(path: Path, tensors, seed):
    """Writes a safetensors file and returns where each tensor lies: name -> (offset in the file, shape)."""
    tensors = list(tensors)
    header, end = {}, 0
    for name, shape, _, _ in tensors:
        start, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4096 + 4096 - 8)  # Data begins on a page, whoever maps the file.
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for index, (_, shape, mean, spread) in enumerate(tensors):
            file.write(values(seed, index, shape, mean, spread).tobytes())
    return {name: (8 + len(text) + of["data_offsets"][0], of["shape"]) for name, of in header.items()}
