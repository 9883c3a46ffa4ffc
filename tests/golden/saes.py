"""Small random sparse autoencoders as SAELens saves them, and what SAELens computes with them.

They read what gpt2-tiny computes. Every parameter is moved off its default; sizes are odd.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from sae_lens import SAE

from files import write_json, write_tensors

STREAM = "blocks.1.hook_resid_pre"
HEADS = "blocks.2.attn.hook_z"
INPUT = "gpt2-tiny/odd-raw.safetensors"
D_SAE = 59
D_OUT = 23


@dataclass(frozen=True)
class Spec:
    """One golden autoencoder."""

    name: str
    seed: int
    architecture: str
    hook: str = STREAM
    # cfg.json as SAELens wrote it before 6.0, on one level.
    is_old: bool = False
    config: dict = field(default_factory=dict)


SPECS = [
    Spec("sae-standard", 501, "standard"),
    Spec("sae-old", 502, "standard", is_old=True),
    Spec("sae-topk", 503, "topk", config=dict(k=5)),
    Spec("sae-old-topk", 504, "topk", is_old=True, config=dict(k=7)),
    Spec("sae-jumprelu", 505, "jumprelu", config=dict(apply_b_dec_to_input=False)),
    Spec("sae-gated", 506, "gated"),
    Spec("sae-rescaled", 507, "topk", config=dict(k=6, rescale_acts_by_decoder_norm=True)),
    Spec("sae-layer-norm", 508, "standard", config=dict(normalize_activations="layer_norm")),
    Spec("sae-constant-norm", 509, "standard", config=dict(normalize_activations="constant_norm_rescale")),
    Spec("sae-hook-z", 510, "standard", hook=HEADS, config=dict(reshape_activations="hook_z")),
    Spec("sae-transcoder", 511, "transcoder", config=dict(d_out=D_OUT, apply_b_dec_to_input=False)),
    Spec("sae-skip", 512, "skip_transcoder", config=dict(d_out=D_OUT, apply_b_dec_to_input=False)),
    Spec("sae-jumprelu-transcoder", 513, "jumprelu_transcoder", config=dict(d_out=D_OUT, apply_b_dec_to_input=False)),
]


def make(out: Path) -> None:
    """One folder each: cfg.json, sae_weights.safetensors, and in expected.safetensors `acts`, `recons` and `output`."""
    inputs = load_file(out / INPUT)
    for spec in SPECS:
        folder = out / spec.name
        folder.mkdir(parents=True, exist_ok=True)
        x = inputs[spec.hook]
        save(spec, x[0].numel(), folder)
        got, exact = run(folder, x, "float32"), run(folder, x, "float64")
        is_active = got["acts"] > 0
        assert torch.equal(is_active, exact["acts"] > 0), f"{spec.name}: a feature is too near its threshold"
        for name, value in got.items():
            assert (value - exact[name]).abs().max() < 1e-5, f"{spec.name}: {name}"
        n_active = is_active.sum(-1)
        assert 1 <= n_active.min() and n_active.max() < D_SAE, f"{spec.name}: {n_active}"
        write_tensors(got, folder / "expected.safetensors")


def run(folder: Path, x: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """Features, reconstruction and output, by SAELens' own hooks."""
    sae = SAE.load_from_disk(folder, dtype=dtype)
    seen = {}
    keep = lambda value, hook: seen.update({hook.name: value})
    if sae.cfg.reshape_activations == "hook_z":
        sae.turn_on_forward_pass_hook_z_reshaping()
    with torch.no_grad():
        hooks = [("hook_sae_acts_post", keep), ("hook_sae_recons", keep)]
        output = sae.run_with_hooks(x.to(sae.dtype), fwd_hooks=hooks)
    # A copy: without a normalisation the output is the reconstruction itself.
    return dict(acts=seen["hook_sae_acts_post"], recons=seen["hook_sae_recons"].clone(), output=output)


def save(spec: Spec, d_in: int, folder: Path) -> None:
    """Writes cfg.json and the weights, through SAELens where it still writes this form."""
    metadata = dict(model_name="gpt2-tiny", hook_name=spec.hook, prepend_bos=False)
    config = dict(d_in=d_in, d_sae=D_SAE, dtype="float32", device="cpu", **spec.config)
    sae = SAE.from_dict(dict(architecture=spec.architecture, metadata=metadata, **config))
    rng = torch.Generator().manual_seed(spec.seed)
    with torch.no_grad():
        for name, param in sae.named_parameters():
            noise = torch.randn(param.shape, generator=rng)
            if name == "threshold":
                param.copy_(0.4 + noise.abs())
            elif name == "W_skip" or name.startswith("b_"):
                param.copy_(0.3 * noise)
            else:
                param.copy_(0.2 * noise)
    sae.save_model(folder)
    config = json.loads((folder / "cfg.json").read_text())
    if spec.is_old:
        config = dict(
            hook_point=spec.hook, hook_point_layer=1, d_in=d_in, d_sae=D_SAE, dtype="torch.float32", device="cpu",
            context_size=128, l1_coefficient=8e-5,
        )
        if spec.architecture == "topk":
            config.update(activation_fn_str="topk", activation_fn_kwargs=dict(k=spec.config["k"]))
    write_json(config, folder / "cfg.json")
