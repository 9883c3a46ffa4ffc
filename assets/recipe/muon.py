"""Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) for the weight matrices, on few lines.

torch.optim.Muon would treat c_attn as one matrix; here W_Q, W_K and W_V are orthogonalised one by one,
and equal shapes go through one batched product.
"""
import torch


def orthogonalise(g: torch.Tensor, n_steps: int = 5) -> torch.Tensor:
    """Nearest semi-orthogonal matrix, roughly: the quintic Newton-Schulz iteration. [batch rows cols]"""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.detach().bfloat16()
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return (x.mT if is_tall else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
                 map_jobs=map):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.map_jobs = map_jobs  # `map` of a thread pool, to do the shapes side by side

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}  # (d_in, d_out) of a single matrix -> its views and Nesterov gradients
            for p in group["params"]:
                buf = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buf, group["momentum"])
                n_parts = 3 if p.shape[1] == 3 * p.shape[0] else 1  # c_attn is W_Q | W_K | W_V
                for weight, grad in zip(p.chunk(n_parts, 1), update.chunk(n_parts, 1)):
                    by_shape.setdefault(weight.shape, []).append((weight, grad))
            stacks = [torch.stack([grad for _, grad in items]) for items in by_shape.values()]
            for ((d_in, d_out), items), updates in zip(by_shape.items(), self.map_jobs(orthogonalise, stacks)):
                scale = max(1.0, d_out / d_in) ** 0.5
                for (weight, _), update in zip(items, updates):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(update, alpha=-group["lr"] * scale)
