"""GPT-2, and GPT-2 without its MLPs, with parameters named and shaped as in the official file.

The state dict of `Gpt` is what export.py writes: weights are [in, out], y = x W + b.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    n_vocab: int
    n_ctx: int
    n_layers: int
    d_model: int = 256
    n_heads: int = 8
    d_mlp: int = 0  # 0: attention only


CONFIGS = {
    "tales-attn-2l": Config(n_vocab=2048, n_ctx=256, n_layers=2),
    "tales-4l": Config(n_vocab=4096, n_ctx=512, n_layers=4, d_mlp=1024),
}


class Conv1D(nn.Module):
    """y = x W + b with W of [in, out]; GPT-2's name for it."""

    def __init__(self, d_in: int, d_out: int, std: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_in, d_out) * std)
        self.bias = nn.Parameter(torch.zeros(d_out))

    def forward(self, x):
        return F.linear(x, self.weight.t(), self.bias)


class Attention(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.n_heads = cfg.n_heads
        self.c_attn = Conv1D(cfg.d_model, 3 * cfg.d_model, std=0.02)
        self.c_proj = Conv1D(cfg.d_model, cfg.d_model, std=0.02 / math.sqrt(2 * cfg.n_layers))

    def forward(self, x, patterns: list | None):
        batch, pos, d_model = x.shape
        qkv = self.c_attn(x).view(batch, pos, 3, self.n_heads, d_model // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [batch head pos d_head]
        if patterns is None:
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # the plain form, which keeps the pattern
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            future = torch.ones(pos, pos, dtype=torch.bool).triu(1)
            patterns.append(scores.masked_fill(future, float("-inf")).softmax(-1))
            z = patterns[-1] @ v
        return self.c_proj(z.transpose(1, 2).reshape(batch, pos, d_model))


class Mlp(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.c_fc = Conv1D(cfg.d_model, cfg.d_mlp, std=0.02)
        self.c_proj = Conv1D(cfg.d_mlp, cfg.d_model, std=0.02 / math.sqrt(2 * cfg.n_layers))

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))  # gelu_new


class Block(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(cfg.d_model, eps=1e-5)
        self.attn = Attention(cfg)
        if cfg.d_mlp:
            self.ln_2 = nn.LayerNorm(cfg.d_model, eps=1e-5)
            self.mlp = Mlp(cfg)

    def forward(self, x, patterns):
        x = x + self.attn(self.ln_1(x), patterns)
        return x + self.mlp(self.ln_2(x)) if hasattr(self, "mlp") else x


class Gpt(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        self.wte = nn.Embedding(cfg.n_vocab, cfg.d_model)
        self.wpe = nn.Embedding(cfg.n_ctx, cfg.d_model)
        nn.init.normal_(self.wte.weight, std=0.02)
        # Positions are learned, but start as sinusoids: "one before" is then one rotation for all positions,
        # and the previous-token head need not be found for each position apart.
        with torch.no_grad():
            self.wpe.weight.copy_(0.03 * sinusoids(cfg.n_ctx, cfg.d_model))
        self.h = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layers))
        self.ln_f = nn.LayerNorm(cfg.d_model, eps=1e-5)

    def forward(self, tokens, patterns: list | None = None):
        """tokens [batch pos] -> logits [batch pos vocab]; appends [batch head q k] per layer to `patterns`."""
        x = self.wte(tokens) + self.wpe.weight[:tokens.shape[1]]
        for block in self.h:
            x = block(x, patterns)
        return F.linear(self.ln_f(x), self.wte.weight)


def sinusoids(n_ctx: int, d_model: int) -> torch.Tensor:
    """The fixed positions of Vaswani et al. 2017. [pos d_model]"""
    angle = torch.arange(n_ctx)[:, None] * 10_000.0 ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
