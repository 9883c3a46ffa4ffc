"""Comparing arrays: shape first, masks second, finiteness third, and `not (err <= tol)`, so that NaN fails."""

import torch


class Disagreement(AssertionError):
    """Two arrays differ by more than the tolerance."""


def assert_close(name: str, got: torch.Tensor, want: torch.Tensor, tol: float) -> None:
    """Passes where |got - want| <= tol, absolute or relative to |want|.

    Only masked attention scores may hold -inf, and then both sides at the same places.
    """
    if got.shape != want.shape:
        raise Disagreement(f"{name}: shape {tuple(got.shape)}, want {tuple(want.shape)}")
    got, want = got.detach().double(), want.detach().double()
    if name.endswith("hook_attn_scores"):
        masked = want == -torch.inf
        if not torch.equal(masked, got == -torch.inf):
            raise Disagreement(f"{name}: -inf at different places")
        got, want = got.masked_fill(masked, 0.0), want.masked_fill(masked, 0.0)
    for side, values in (("got", got), ("want", want)):
        if not bool(values.isfinite().all()):
            raise Disagreement(f"{name}: {side} has a value that is not finite")
    err = (got - want).abs() / want.abs().clamp(min=1.0)
    if err.numel() and not bool(err.max() <= tol):
        worst = int(err.argmax())
        index = [int(i) for i in torch.unravel_index(torch.tensor(worst), err.shape)]
        raise Disagreement(
            f"{name}{index}: got {got.flatten()[worst]:.8g}, want {want.flatten()[worst]:.8g} (tol {tol:g})"
        )


def _refuses(name: str, got: torch.Tensor, want: torch.Tensor) -> bool:
    try:
        assert_close(name, got, want, 1e-4)
    except Disagreement:
        return True
    return False


def self_test() -> None:
    """The comparator must refuse planted errors: a NaN, a swap, a nudge, a wrong shape, a shifted mask."""
    want = torch.linspace(-2.0, 3.0, 12).reshape(3, 4)
    assert_close("same", want.clone(), want, 0.0)

    nan, nudge, inf = want.clone(), want.clone(), want.clone()
    nan[1, 2] = torch.nan
    nudge[2, 3] += 1e-3
    inf[0, 0] = -torch.inf
    assert _refuses("nan", nan, want)
    assert _refuses("nan on both sides", nan, nan.clone())
    assert _refuses("swap", want.flip(0), want)
    assert _refuses("nudge", nudge, want)
    assert _refuses("shape", want.reshape(4, 3), want)
    assert _refuses("infinity", inf, inf.clone())

    scores = "blocks.0.attn.hook_attn_scores"
    assert_close(scores, inf, inf.clone(), 0.0)
    assert _refuses(scores, inf, inf.flip(1))
