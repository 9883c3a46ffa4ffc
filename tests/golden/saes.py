"""Small random sparse autoencoders as SAELens saves them, and what SAELens computes with them.

They read the stream of gpt2-tiny. Every parameter is moved off its default; sizes are odd.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from sae_lens import SAE

from files import write_json, write_tensors

HOOK = "blocks.1.hook_resid_pre"
INPUT = "gpt2-tiny/odd-raw.safetensors"
D_SAE = 59


@dataclass(frozen=True)
class Spec:
    """One golden autoencoder."""

    name: str
    seed: int
    architecture: str
    # cfg.json as SAELens wrote it before 6.0, on one level.
    is_old: bool = False
    config: dict = field(default_factory=dict)


SPECS = [
    Spec("sae-standard", 501, "standard"),
    Spec("sae-old", 502, "standard", is_old=True),
    Spec("sae-topk", 503, "topk", config=dict(k=5)),
    Spec("sae-old-topk", 504, "topk", is_old=True, config=dict(k=7)),
    Spec("sae-jumprelu", 505, "jumprelu", config=dict(apply_b_dec_to_input=False)),
]


def make(out: Path) -> None:
    """One folder each: cfg.json, sae_weights.safetensors, and expected.safetensors with `acts` and `recons`."""
    x = load_file(out / INPUT)[HOOK]
    for spec in SPECS:
        folder = out / spec.name
        folder.mkdir(parents=True, exist_ok=True)
        save(spec, x, folder)
        sae = SAE.load_from_disk(folder)
        sae.use_error_term = False
        exact = SAE.load_from_disk(folder, dtype="float64")
        with torch.no_grad():
            acts = sae.encode(x)
            recons = sae.decode(acts)
            wide = exact.encode(x.double())
        assert torch.equal(acts > 0, wide > 0), f"{spec.name}: a feature is too near its threshold"
        assert (acts - wide).abs().max() < 1e-5, spec.name
        n_active = (acts > 0).sum(-1)
        assert 1 <= n_active.min() and n_active.max() < D_SAE, f"{spec.name}: {n_active}"
        write_tensors(dict(acts=acts, recons=recons), folder / "expected.safetensors")


def save(spec: Spec, x: torch.Tensor, folder: Path) -> None:
    """Writes cfg.json and the weights, through SAELens where it still writes this form."""
    d_in = x.shape[-1]
    metadata = dict(model_name="gpt2-tiny", hook_name=HOOK, prepend_bos=False)
    config = dict(d_in=d_in, d_sae=D_SAE, dtype="float32", device="cpu", **spec.config)
    sae = SAE.from_dict(dict(architecture=spec.architecture, metadata=metadata, **config))
    rng = torch.Generator().manual_seed(spec.seed)
    with torch.no_grad():
        for name, param in sae.named_parameters():
            noise = torch.randn(param.shape, generator=rng)
            if name == "threshold":
                param.copy_(0.4 + noise.abs())
            else:
                param.copy_(0.2 * noise)
    sae.save_model(folder)
    if spec.is_old:
        old = dict(
            hook_point=HOOK, hook_point_layer=1, d_in=d_in, d_sae=D_SAE, dtype="torch.float32", device="cpu",
            context_size=128, l1_coefficient=8e-5,
        )
        if spec.architecture == "topk":
            old.update(activation_fn_str="topk", activation_fn_kwargs=dict(k=spec.config["k"]))
        write_json(old, folder / "cfg.json")
    else:
        write_json(json.loads((folder / "cfg.json").read_text()), folder / "cfg.json")
