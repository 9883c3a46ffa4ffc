"""Small random GPT-2 models as Hugging Face folders, one for each way such a folder can look.

Every parameter is moved off its default, or a forgotten bias would pass; sizes are odd, or a swapped
axis would.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel


@dataclass(frozen=True)
class Spec:
    """One golden model: how it is built and how its folder is written."""

    name: str
    seed: int
    dtype: torch.dtype
    config: dict
    has_prefix: bool = False
    is_attn_only: bool = False
    # Causal mask buffers, as old exports hold them: their dtype, or none.
    mask_dtype: torch.dtype | None = None
    has_masked_bias: bool = False
    prompt: tuple[int, ...] = ()
    one_token: tuple[int, ...] = ()


SPECS = [
    # The official layout: no prefix, tied head, F32 mask buffers.
    Spec(
        name="gpt2-tiny",
        seed=113,
        dtype=torch.float32,
        config=dict(n_layer=3, n_embd=36, n_head=3, n_inner=53, vocab_size=97, n_positions=41),
        mask_dtype=torch.float32,
        prompt=(11, 4, 90, 23, 4, 57, 0, 88, 31, 62, 5),
        one_token=(42,),
    ),
    # As a re-export looks: prefix, a head of its own, F16. Also 1/(layer+1) attention, erf GELU, a large eps.
    Spec(
        name="gpt2-prefixed",
        seed=207,
        dtype=torch.float16,
        config=dict(
            n_layer=3, n_embd=28, n_head=4, n_inner=45, vocab_size=83, n_positions=19,
            tie_word_embeddings=False, scale_attn_by_inverse_layer_idx=True,
            activation_function="gelu", layer_norm_epsilon=0.01,
        ),
        has_prefix=True,
        prompt=(7, 33, 2, 71, 33, 2, 50, 18, 64),
        one_token=(3,),
    ),
    # BF16, n_inner left at null (4 * n_embd), ReLU, U8 mask buffers and masked_bias scalars.
    Spec(
        name="gpt2-bf16",
        seed=310,
        dtype=torch.bfloat16,
        config=dict(n_layer=2, n_embd=25, n_head=5, vocab_size=61, n_positions=17, activation_function="relu"),
        mask_dtype=torch.uint8,
        has_masked_bias=True,
        prompt=(9, 44, 60, 1, 27, 13, 44),
        one_token=(60,),
    ),
    # The attention-only variant: its own model_type, no mlp and no ln_2 tensors.
    Spec(
        name="attn-only",
        seed=408,
        dtype=torch.float32,
        config=dict(n_layer=2, n_embd=33, n_head=3, vocab_size=71, n_positions=29),
        is_attn_only=True,
        prompt=(0, 14, 52, 33, 8, 14, 52, 33, 70, 6, 21, 8, 14),
        one_token=(17,),
    ),
]


def random_model(spec: Spec) -> GPT2LMHeadModel:
    """GPT-2 in f32 whose every parameter is random; the MLPs of the attention-only variant write zero."""
    last_id = spec.config["vocab_size"] - 1
    config = GPT2Config(**spec.config, bos_token_id=last_id, eos_token_id=last_id)
    config._attn_implementation = "eager"
    model = GPT2LMHeadModel(config).eval()
    rng = torch.Generator().manual_seed(spec.seed)
    with torch.no_grad():
        for name, param in model.named_parameters():
            noise = torch.randn(param.shape, generator=rng)
            if name.endswith("ln_1.weight") or name.endswith("ln_2.weight") or name.endswith("ln_f.weight"):
                param.copy_(1.0 + 0.3 * noise)
            elif name.endswith(".bias"):
                param.copy_(0.3 * noise)
            elif "wte" in name or "wpe" in name or "lm_head" in name:
                param.copy_(0.4 * noise)
            else:
                param.copy_(0.2 * noise)
        if spec.is_attn_only:
            for block in model.transformer.h:
                block.mlp.c_proj.weight.zero_()
                block.mlp.c_proj.bias.zero_()
    return model.to(spec.dtype)


def save(spec: Spec, folder: Path) -> None:
    """Writes config.json and model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(spec)
    if spec.has_prefix:
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    else:
        model.config.dtype = spec.dtype
        model.config.architectures = ["GPT2LMHeadModel"]
        model.config.save_pretrained(folder)
        save_file(_unprefixed(spec, model), folder / "model.safetensors", metadata={"format": "pt"})
    if spec.is_attn_only:
        _rename_architecture(folder / "config.json")


def _unprefixed(spec: Spec, model: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, value in model.transformer.state_dict().items():
        if spec.is_attn_only and (".mlp." in name or ".ln_2." in name):
            continue
        tensors[name] = value.contiguous().clone()
    n_ctx = spec.config["n_positions"]
    for layer in range(spec.config["n_layer"]):
        if spec.mask_dtype is not None:
            mask = torch.ones(n_ctx, n_ctx).tril().to(spec.mask_dtype)
            tensors[f"h.{layer}.attn.bias"] = mask.reshape(1, 1, n_ctx, n_ctx)
        if spec.has_masked_bias:
            tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4, dtype=spec.dtype)
    return tensors


def _rename_architecture(config_path: Path) -> None:
    config = json.loads(config_path.read_text())
    config["model_type"] = "vitrine_attn_only"
    config["architectures"] = ["VitrineAttnOnlyLMHeadModel"]
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(spec: Spec, folder: Path) -> GPT2LMHeadModel:
    """The f32 model that the golden values come from: the folder as written, rounded weights and all."""
    if spec.is_attn_only:
        # transformers does not know the variant; the same weights beside silent MLPs are its equal.
        model = random_model(spec).float().eval()
    else:
        model = GPT2LMHeadModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
        ).eval()
    # Compare with the model that was written: nothing was dropped, renamed or drawn anew on the way.
    written = random_model(spec).float().state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, written[name]), f"{spec.name}: {name} did not survive the file"
    return model
