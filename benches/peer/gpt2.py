"""GPT-2 in plain PyTorch, in the fewest operations that eager mode allows."""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F


def read(path: Path, device):
    """The tensors of a safetensors file that has F32 only."""
    data = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    n_header = int.from_bytes(data[:8].numpy().tobytes(), "little")
    header = json.loads(data[8 : 8 + n_header].numpy().tobytes())
    tensors = {}
    for name, of in header.items():
        if name != "__metadata__":
            start, end = (8 + n_header + at for at in of["data_offsets"])
            tensors[name] = data[start:end].clone().view(torch.float32).view(of["shape"]).to(device)
    return tensors


class Gpt2:
    """The model; no batch axis but in a sweep."""

    def __init__(self, folder: Path, device):
        config = json.loads((folder / "config.json").read_text())
        self.n_layers, self.n_heads = config["n_layer"], config["n_head"]
        self.d_model, self.eps = config["n_embd"], config["layer_norm_epsilon"]
        self.d_head = self.d_model // self.n_heads
        self.device = device
        tensors = read(folder / "model.safetensors", device)
        self.wte, self.wpe = tensors["wte.weight"], tensors["wpe.weight"]
        self.ln_f = (tensors["ln_f.weight"], tensors["ln_f.bias"])
        names = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
        pair = lambda at: (tensors[f"{at}.weight"], tensors[f"{at}.bias"])
        self.blocks = [[pair(f"h.{layer}.{name}") for name in names] for layer in range(self.n_layers)]

    def norm(self, x, parameters):
        return F.layer_norm(x, (self.d_model,), *parameters, self.eps)

    def heads(self, x):
        """[.. pos (head e)] -> [.. head pos e]"""
        return x.unflatten(-1, (self.n_heads, self.d_head)).transpose(-3, -2)

    def qkv(self, layer, x):
        """Queries, keys and values of rows, each [row (head e)]."""
        w, b = self.blocks[layer][1]
        return torch.addmm(b, self.norm(x, self.blocks[layer][0]), w).split(self.d_model, -1)

    def write(self, layer, x, z):
        """The stream after a block, from what its heads mixed. x, z: [row d_model]"""
        _, _, (w_o, b_o), ln_2, (w_in, b_in), (w_out, b_out) = self.blocks[layer]
        x = x + torch.addmm(b_o, z, w_o)
        hidden = F.gelu(torch.addmm(b_in, self.norm(x, ln_2), w_in), approximate="tanh")
        return x + torch.addmm(b_out, hidden, w_out)

    def embed(self, ids, past=0):
        return self.wte[ids] + self.wpe[past : past + len(ids)]

    def logits(self, x):
        return self.norm(x, self.ln_f) @ self.wte.T

    def observed(self, ids):
        """All logits, the stream after each block, all patterns."""
        n, x = len(ids), self.embed(ids)
        future = torch.ones(n, n, dtype=torch.bool, device=self.device).triu(1)
        streams, patterns = [], []
        for layer in range(self.n_layers):
            q, k, v = (self.heads(part) for part in self.qkv(layer, x))
            scores = (q @ k.transpose(-2, -1)).mul_(1 / math.sqrt(self.d_head))
            pattern = scores.masked_fill_(future, -math.inf).softmax(-1)
            x = self.write(layer, x, (pattern @ v).transpose(0, 1).flatten(1))
            streams.append(x)
            patterns.append(pattern)
        return self.logits(x), streams, patterns

    def streams(self, ids, grad=False):
        """The stream before each block, and all logits; attention fused."""
        x, streams = self.embed(ids), []
        for layer in range(self.n_layers):
            if grad and layer == 0:
                x.requires_grad_()
            streams.append(x)
            q, k, v = (self.heads(part)[None] for part in self.qkv(layer, x))
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)[0]
            x = self.write(layer, x, z.transpose(0, 1).flatten(1))
        return streams, self.logits(x)

    def cache(self, capacity):
        """Room for keys and values, [layer 2 head pos e]."""
        return torch.empty(self.n_layers, 2, self.n_heads, capacity, self.d_head, device=self.device)

    def step(self, ids, cache, past):
        """The last position's logits for tokens that follow `past` cached ones; attention fused."""
        n, x = len(ids), self.embed(ids, past)
        for layer in range(self.n_layers):
            q, k, v = (self.heads(part) for part in self.qkv(layer, x))
            keys, values = cache[layer, 0, :, : past + n], cache[layer, 1, :, : past + n]
            keys[:, past:], values[:, past:] = k, v
            # One position sees all of the past; a prompt sees itself, causally.
            z = F.scaled_dot_product_attention(q[None], keys[None], values[None], is_causal=past == 0)[0]
            x = self.write(layer, x, z.transpose(0, 1).flatten(1))
        return self.logits(x[-1:])[0]
