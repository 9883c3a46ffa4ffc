"""What heads do: scores by TransformerLens' own detectors, FactoredMatrix and composition scores, losses on repeated
random tokens with heads ablated, and one head in every detail.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from transformer_lens import head_detector

import lens

# Models that these are made of, each with one head to look at, a query and a key.
LOOKED_AT = {
    "gpt2-tiny": dict(head=[2, 1], query=9, key=4),
    "attn-only": dict(head=[1, 2], query=12, key=6),
    "neox": dict(head=[1, 0], query=6, key=2),
    "llama": dict(head=[1, 3], query=5, key=5),
}
REPEATED = dict(length=6, batch=3, seed=5, bos="no")
ABLATE = [[0, 1], [1, 0]]
DETECTORS = ("previous_token_head", "duplicate_token_head", "induction_head")
# TransformerLens rounds its second error measure to three digits.
ABS_ROUNDING = 5.1e-4


@dataclass(frozen=True)
class Model:
    """One model with both forms of its weights."""

    name: str
    raw: object
    processed: object
    tokens: list[int]


def asked(model: Model) -> dict:
    """What the values are of."""
    d_vocab = model.raw.cfg.d_vocab
    repeated = REPEATED | dict(ids=[3, d_vocab])
    return dict(tokens=model.tokens, repeated=repeated, drawn=drawn(model).tolist(), ablate=ABLATE, **LOOKED_AT[model.name])


def drawn(model: Model) -> torch.Tensor:
    """The sequences of `REPEATED`. [batch pos]"""
    torch.manual_seed(REPEATED["seed"])
    tokens = torch.randint(3, model.raw.cfg.d_vocab, (REPEATED["batch"], REPEATED["length"]))
    return torch.cat([tokens, tokens], dim=1)


def values(model: Model) -> dict[str, torch.Tensor]:
    """Everything, by name; matrices of scores are [layer head]."""
    return {**on_prompt(model), **by_weights(model), **on_repeated(model), **one_head(model)}


def on_prompt(model: Model) -> dict[str, torch.Tensor]:
    cache = lens.everything(model.raw, model.tokens)
    n_layers, n_pos = model.raw.cfg.n_layers, len(model.tokens)
    patterns = torch.stack([cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(n_layers)])
    results = torch.stack([cache[f"blocks.{layer}.attn.hook_result"] for layer in range(n_layers)])
    masks = detection_patterns(model.tokens)
    is_repeated = masks["duplicate_token_head"].any(-1)
    on = lambda mask: (patterns * mask).sum(-1)
    distance = (torch.arange(n_pos)[:, None] - torch.arange(n_pos)[None, :]).to(patterns)
    return {
        "prompt/induction": on(masks["induction_head"])[..., is_repeated].mean(-1),
        "prompt/duplicate_token": on(masks["duplicate_token_head"])[..., is_repeated].mean(-1),
        "prompt/previous_token": on(masks["previous_token_head"])[..., 1:].mean(-1),
        "prompt/first_token": patterns[..., 1:, 0].mean(-1),
        "prompt/current_token": patterns.diagonal(0, -2, -1)[..., 1:].mean(-1),
        "prompt/entropy": torch.special.entr(patterns).sum(-1).mean(-1),
        "prompt/distance": on(distance)[..., 1:].mean(-1),
        "prompt/output_norm": results.norm(dim=-1).mean(1),
    }


def detection_patterns(tokens: list[int]) -> dict[str, torch.Tensor]:
    return {name: getattr(head_detector, f"get_{name}_detection_pattern")(torch.tensor([tokens])) for name in DETECTORS}


def by_weights(model: Model) -> dict[str, torch.Tensor]:
    eigenvalues = model.processed.OV.eigenvalues
    scores = {"copying": eigenvalues.sum(-1).real / eigenvalues.abs().sum(-1)}
    for mode in "QKV":
        scores[f"composition/{mode.lower()}"] = model.processed.all_composition_scores(mode)[0, :, 1]
    return scores


def on_repeated(model: Model) -> dict[str, torch.Tensor]:
    tokens, n = drawn(model), REPEATED["length"]
    lens.without_optional_hooks(model.raw)
    with torch.no_grad():
        logits, cache = model.raw.run_with_cache(tokens)
    n_layers = model.raw.cfg.n_layers
    patterns = torch.stack([cache["pattern", layer] for layer in range(n_layers)])
    stripe = lambda offset, first=0: patterns.diagonal(-offset, -2, -1)[..., first:].mean((1, -1))
    got = {
        "repeated/induction": stripe(n - 1, 1),
        "repeated/induction_stripe": stripe(n - 1),
        "repeated/previous_token": stripe(1),
        "repeated/duplicate_token": stripe(n),
        "repeated/loss": losses(logits, tokens),
    }
    for by in ("zero", "mean"):
        hooks = []
        for layer, head in ABLATE:
            hooks.append((f"blocks.{layer}.attn.hook_z", partial(replace, head=head, by=by, mean=cache["z", layer].mean(0))))
        with torch.no_grad():
            got[f"repeated/loss, {by}"] = losses(model.raw.run_with_hooks(tokens, fwd_hooks=hooks), tokens)
    return got


def replace(z: torch.Tensor, hook, head: int, by: str, mean: torch.Tensor) -> torch.Tensor:
    z[:, :, head] = 0.0 if by == "zero" else mean[:, head]
    return z


def losses(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Means over the batch of -log p of each token but the first. [pos - 1]"""
    return -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].mean(0)


def one_head(model: Model) -> dict[str, torch.Tensor]:
    looked_at = LOOKED_AT[model.name]
    (layer, head), query, key = looked_at["head"], looked_at["query"], looked_at["key"]
    cache = lens.everything(model.raw, model.tokens)
    of = lambda name: cache[f"blocks.{layer}.attn.{name}"]
    is_rotary = model.raw.cfg.positional_embedding_type == "rotary"
    q, k, v = of("hook_rot_q" if is_rotary else "hook_q"), of("hook_rot_k" if is_rotary else "hook_k"), of("hook_v")
    kv = head * v.shape[1] // model.raw.cfg.n_heads
    pattern, value = of("hook_pattern")[head], v[:, kv]
    written = value @ model.raw.W_O[layer, head]
    embedding = model.processed.W_E[model.tokens[key]]
    ov = model.processed.OV[layer, head]
    n_pos = len(model.tokens)
    measures = product(DETECTORS, ("mul", "abs"), (False, True), (False, True))
    return {
        "head/pattern": pattern,
        "head/value_weighted": pattern * value.norm(dim=-1),
        "head/output_weighted": pattern * written.norm(dim=-1),
        "head/products": q[query, head] * k[key, kv],
        "head/score": of("hook_attn_scores")[head, query, key],
        "head/writes, stream": written[key] @ model.processed.W_U,
        "head/writes, embedding": (embedding @ ov.A @ ov.B) @ model.processed.W_U,
        "head/by_distance": torch.stack([pattern.diagonal(-distance).sum() / n_pos for distance in range(n_pos)]),
        "head/detectors": torch.tensor([detected(model.tokens, pattern, *one) for one in measures]),
    }


def detected(tokens: list[int], pattern: torch.Tensor, name: str, measure: str, exclude_bos: bool, exclude_current: bool) -> float:
    """TransformerLens' score; of its second error measure before it is rounded."""
    mask = detection_patterns(tokens)[name]
    theirs = head_detector.compute_head_attention_similarity_score(
        pattern, mask, exclude_bos=exclude_bos, exclude_current_token=exclude_current, error_measure=measure
    )
    if measure == "mul":
        return theirs
    far = (pattern - mask).abs()
    if exclude_bos:
        far[:, 0] = 0
    if exclude_current:
        far.fill_diagonal_(0)
    exact = 1 - far.sum().item() / len(far)
    assert abs(exact - theirs) <= ABS_ROUNDING, f"{name}: {exact} is not {theirs}"
    return exact
