"""Patching matrices by TransformerLens' own functions, and attributions from autograd."""

import torch
from transformer_lens import patching

import lens

CORRECT, WRONG = 5, 9

# Our place: TransformerLens' function, hook, and the axis of the columns (positions or heads).
PLACES = {
    "resid_pre": (patching.get_act_patch_resid_pre, "hook_resid_pre", 0),
    "resid_mid": (patching.get_act_patch_resid_mid, "hook_resid_mid", 0),
    "attn_out": (patching.get_act_patch_attn_out, "hook_attn_out", 0),
    "mlp_out": (patching.get_act_patch_mlp_out, "hook_mlp_out", 0),
    "q": (patching.get_act_patch_attn_head_q_all_pos, "attn.hook_q", 1),
    "k": (patching.get_act_patch_attn_head_k_all_pos, "attn.hook_k", 1),
    "v": (patching.get_act_patch_attn_head_v_all_pos, "attn.hook_v", 1),
    "z": (patching.get_act_patch_attn_head_out_all_pos, "attn.hook_z", 1),
    "pattern": (patching.get_act_patch_attn_head_pattern_all_pos, "attn.hook_pattern", 0),
}


def metric(logits: torch.Tensor) -> torch.Tensor:
    """The logit difference at the last position; logits are [pos d_vocab]."""
    return logits[-1, CORRECT] - logits[-1, WRONG]


def changes(model, clean: list[int], corrupted: list[int]) -> dict[str, torch.Tensor]:
    """m(patched) - m(corrupted) by place, exact and attributed. [layer column]"""
    lens.without_optional_hooks(model)
    tokens = torch.tensor([corrupted])
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([clean]))
        base = metric(model(tokens)[0])
        exact = {
            place: patch(model, tokens, cache, lambda logits: metric(logits[0])) - base
            for place, (patch, _, _) in PLACES.items()
        }
    values = lens.everything(model, corrupted)
    gradients = lens.gradients(model, corrupted, metric)
    for place, (_, hook, axis) in PLACES.items():
        rows = []
        for layer in range(model.cfg.n_layers):
            name = f"blocks.{layer}.{hook}"
            product = gradients[name] * (cache[name][0] - values[name])
            rows.append(product.transpose(0, axis).flatten(1).sum(1))
        exact[f"{place}, attribution"] = torch.stack(rows)
    return exact
