"""Interventions as data, read as TransformerLens hooks; and the list of those that are golden.

{"at": hook point, "select": {pos, key_pos, head, component}, "edit": {"kind": ...}}: a selector is an
integer (negative counts from the end), a list, or a "start:end" slice; a missing one takes all.
"""

import torch


def axes(at: str) -> list[str]:
    """What the axes of hook point `at` count, without the batch axis."""
    site = at.rsplit(".", 1)[-1]
    if site in ("hook_attn_scores", "hook_pattern"):
        return ["head", "pos", "key_pos"]
    if site in ("hook_q", "hook_k", "hook_v", "hook_z", "hook_result", "hook_attn_in") or site.endswith("_input"):
        return ["pos", "head", "component"]
    return ["pos", "component"]


def as_hook(intervention: dict, source: torch.Tensor | None):
    """A TransformerLens hook that makes the edit. `source` is what a patch reads, else none."""
    at, edit = intervention["at"], intervention["edit"]
    select = intervention.get("select", {})
    unknown = set(select) - set(axes(at))
    assert not unknown, f"{at} has no axis {unknown}"

    def hook(value, hook):  # noqa: ARG001
        names, sizes = axes(at), value.shape[1:]
        if len(sizes) == len(names) + 1:
            # With split inputs ln1 has a head axis; an edit of ln1 is one of what every head reads.
            names.insert(1, "head")
        to = [_indices(select.get(axis), size) for axis, size in zip(names, sizes, strict=True)]
        source_from = list(to)
        if "positions" in edit:
            assert "pos" not in select, "a position map selects by itself"
            pos_axis = names.index("pos")
            to[pos_axis] = [pair[0] for pair in edit["positions"]]
            source_from[pos_axis] = [pair[1] for pair in edit["positions"]]
        value = value.clone()
        old = value[0][_grid(to)]
        value[0][_grid(to)] = _edited(edit, old, None if source is None else source[_grid(source_from)])
        return value

    return hook


def _edited(edit: dict, old: torch.Tensor, source: torch.Tensor | None) -> torch.Tensor:
    match edit["kind"]:
        case "zero":
            return torch.zeros_like(old)
        case "scale":
            return old * edit["by"]
        case "add":
            return old + torch.tensor(edit["values"], dtype=old.dtype)
        case "set":
            return torch.tensor(edit["values"], dtype=old.dtype).expand_as(old)
        case "patch":
            return source
    raise ValueError(edit["kind"])


def _indices(selector, size: int) -> list[int]:
    match selector:
        case None:
            return list(range(size))
        case int():
            return [range(size)[selector]]
        case list():
            return [range(size)[index] for index in selector]
        case str():
            start, end = (int(part) if part else None for part in selector.split(":"))
            return list(range(size))[start:end]
    raise ValueError(selector)


def _grid(indices: list[list[int]]):
    """Index tensors that broadcast to the outer product, as numpy.ix_ makes them."""
    n_axes = len(indices)
    return tuple(
        torch.tensor(index).reshape([-1 if i == axis else 1 for i in range(n_axes)])
        for axis, index in enumerate(indices)
    )


def golden_cases(d_model: int, tokens: list[int]) -> list[dict]:
    """What is done to gpt2-tiny: each case has interventions, weights, and hook points to look at downstream."""
    rng = torch.Generator().manual_seed(505)

    def vector(n: int) -> list[float]:
        return [round(float(v), 3) for v in torch.randn(n, generator=rng)]

    # Another prompt of the same length, and a shorter one.
    twin = [(3 * token + 7) % 89 for token in tokens]
    short = tokens[4:9]
    twin_run, short_run = _run_of(twin), _run_of(short)

    def case(name: str, interventions: list[dict], capture: list[str], weights: str = "raw") -> dict:
        return dict(name=name, weights=weights, tokens=tokens, interventions=interventions, capture=capture)

    late = ["blocks.2.hook_resid_post"]
    return [
        # Residual stream.
        case("zero-resid-pre-pos", [_zero("blocks.1.hook_resid_pre", pos=4)], ["blocks.1.attn.hook_pattern"]),
        case("add-resid-pre-vector", [_add("blocks.1.hook_resid_pre", vector(d_model))], late),
        case("add-resid-pre-vector-last", [_add("blocks.2.hook_resid_pre", vector(d_model), pos=-1)], ["ln_final.hook_normalized"]),
        case("scale-resid-mid-slice", [_scale("blocks.0.hook_resid_mid", 1.75, pos="2:5")], late),
        case("set-resid-post-component", [_set("blocks.0.hook_resid_post", 2.5, component=[3, -2])], ["blocks.1.ln1.hook_scale"]),
        case("set-resid-post-components-vector", [_set("blocks.1.hook_resid_post", [1.5, -2.25], component=[3, 20])], ["blocks.2.ln1.hook_normalized"]),
        case("patch-resid-pre-all", [_patch("blocks.1.hook_resid_pre", twin_run)], ["blocks.1.hook_attn_out"]),
        case("patch-resid-pre-pos", [_patch("blocks.1.hook_resid_pre", twin_run, pos=[0, 6])], late),
        case("patch-resid-pre-map", [_patch("blocks.1.hook_resid_pre", short_run, [[7, 1], [10, 4]])], ["blocks.2.attn.hook_attn_scores"]),
        case("scale-embed-token", [_scale("hook_embed", -0.5, pos=1)], ["blocks.0.hook_resid_pre"]),
        case("zero-pos-embed", [_zero("hook_pos_embed")], ["blocks.0.attn.hook_pattern"]),
        # Heads.
        case("zero-z-head", [_zero("blocks.1.attn.hook_z", head=1)], ["blocks.1.hook_attn_out"]),
        case("zero-z-head-component-slice", [_zero("blocks.0.attn.hook_z", head=[1], pos="2:5", component=3)], late),
        case("scale-z-last-heads", [_scale("blocks.1.attn.hook_z", 2.0, head="1:")], ["blocks.1.hook_attn_out"]),
        case("patch-z-head", [_patch("blocks.0.attn.hook_z", twin_run, head=2)], ["blocks.0.hook_resid_mid"]),
        case("add-q-number", [_add("blocks.1.attn.hook_q", 0.75, head=0)], ["blocks.1.attn.hook_pattern"]),
        case("patch-k-positions", [_patch("blocks.2.attn.hook_k", twin_run, pos=":6", head=[0, 2])], ["blocks.2.attn.hook_attn_scores"]),
        case("zero-v", [_zero("blocks.1.attn.hook_v", head=2)], ["blocks.1.attn.hook_z"]),
        case("zero-v-processed", [_zero("blocks.1.attn.hook_v", head=2)], ["blocks.1.attn.hook_z"], weights="processed"),
        case("zero-z-processed", [_zero("blocks.1.attn.hook_z", head=2)], ["blocks.1.hook_resid_mid"], weights="processed"),
        # Scores and patterns. The two `future` cases write where the causal mask was: the model then looks ahead.
        case("add-scores-number", [_add("blocks.0.attn.hook_attn_scores", -3.0, head=1, key_pos=0)], ["blocks.0.attn.hook_pattern"]),
        case("set-scores-entry", [_set("blocks.1.attn.hook_attn_scores", 4.0, head=2, pos=[8, 9], key_pos=3)], ["blocks.1.attn.hook_pattern"]),
        case("scale-scores-head", [_scale("blocks.2.attn.hook_attn_scores", 0.5, head=0)], ["blocks.2.attn.hook_pattern"]),
        case("set-scores-future", [_set("blocks.1.attn.hook_attn_scores", 2.0, head=0, pos=3, key_pos=9)], ["blocks.1.attn.hook_z"]),
        case("zero-pattern-key", [_zero("blocks.1.attn.hook_pattern", head=0, pos="5:", key_pos=[0, 1])], ["blocks.1.attn.hook_z"]),
        case("patch-pattern-head", [_patch("blocks.1.attn.hook_pattern", twin_run, head=1)], ["blocks.1.attn.hook_z"]),
        case("set-pattern-future", [_set("blocks.0.attn.hook_pattern", 0.25, head=2, pos="0:4", key_pos=10)], ["blocks.0.attn.hook_z"]),
        # MLP and norms.
        case("set-mlp-post-neuron", [_set("blocks.1.mlp.hook_post", 3.0, component=52)], ["blocks.1.hook_mlp_out"]),
        case("zero-mlp-post-neurons-pos", [_zero("blocks.0.mlp.hook_post", pos=[2, -1], component="10:31")], ["blocks.0.hook_mlp_out"]),
        case("add-mlp-pre-neuron", [_add("blocks.2.mlp.hook_pre", 1.25, component=7)], ["blocks.2.mlp.hook_post"]),
        case("zero-mlp-out", [_zero("blocks.0.hook_mlp_out")], ["blocks.0.hook_resid_post"]),
        case("patch-attn-out", [_patch("blocks.1.hook_attn_out", twin_run, pos="-3:")], ["blocks.1.hook_resid_mid"]),
        case("set-ln1-scale", [_set("blocks.1.ln1.hook_scale", 1.5)], ["blocks.1.ln1.hook_normalized"]),
        case("zero-ln-final-component", [_zero("ln_final.hook_normalized", component=5)], ["ln_final.hook_scale"]),
        # Optional hook points.
        case("zero-result-head", [_zero("blocks.1.attn.hook_result", head=0)], ["blocks.1.hook_attn_out"]),
        case("patch-result-head", [_patch("blocks.0.attn.hook_result", twin_run, pos=-1, head=1)], ["blocks.0.hook_attn_out"]),
        case("add-q-input-head", [_add("blocks.1.hook_q_input", vector(d_model), head=1)], ["blocks.1.attn.hook_q", "blocks.1.attn.hook_k"]),
        case("patch-k-input-head", [_patch("blocks.2.hook_k_input", twin_run, head=2, pos=5)], ["blocks.2.attn.hook_attn_scores"]),
        case("zero-v-input-head", [_zero("blocks.0.hook_v_input", head=0)], ["blocks.0.attn.hook_v"]),
        case("scale-attn-in-head", [_scale("blocks.1.hook_attn_in", 0.25, head=1, component="0:18")], ["blocks.1.attn.hook_pattern", "blocks.1.attn.hook_v"]),
        case("scale-mlp-in", [_scale("blocks.1.hook_mlp_in", 0.5, component="0:9")], ["blocks.1.mlp.hook_pre", "blocks.1.hook_resid_post"]),
        # Several at once: two edits of one hook point act in the order of the list.
        case("add-then-scale", [_add("blocks.1.hook_resid_pre", 1.0, component=4), _scale("blocks.1.hook_resid_pre", 3.0, component=4)], ["blocks.1.hook_resid_pre"]),
        case("head-and-neuron", [_zero("blocks.0.attn.hook_z", head=0), _set("blocks.2.mlp.hook_post", -1.0, component=0)], late),
        case(
            "set-ln1-scale-and-add-q-input",
            [_set("blocks.1.ln1.hook_scale", 1.5), _add("blocks.1.hook_q_input", vector(d_model), head=1)],
            ["blocks.1.attn.hook_q", "blocks.1.attn.hook_k"],
        ),
        # A path patch: the source run is itself edited.
        case(
            "patch-from-edited-run",
            [_patch("blocks.2.hook_q_input", _run_of(tokens, [_patch("blocks.0.attn.hook_z", twin_run, head=1)]), head=0)],
            ["blocks.2.attn.hook_q"],
        ),
    ]


def _run_of(tokens: list[int], interventions: list[dict] | None = None) -> dict:
    return {"prompt": {"tokens": tokens}, "interventions": interventions or []}


def _zero(at: str, **select) -> dict:
    return {"at": at, "select": select, "edit": {"kind": "zero"}}


def _scale(at: str, by: float, **select) -> dict:
    return {"at": at, "select": select, "edit": {"kind": "scale", "by": by}}


def _add(at: str, values, **select) -> dict:
    return {"at": at, "select": select, "edit": {"kind": "add", "values": values}}


def _set(at: str, values, **select) -> dict:
    return {"at": at, "select": select, "edit": {"kind": "set", "values": values}}


def _patch(at: str, source: dict, positions: list | None = None, **select) -> dict:
    edit = {"kind": "patch", "from": source}
    if positions is not None:
        edit["positions"] = positions
    return {"at": at, "select": select, "edit": edit}
