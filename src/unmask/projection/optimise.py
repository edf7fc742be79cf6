"""The optimiser's loop: one stage of a projection over a batch of pictures that do not influence each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.projection.schedules import Ramp

LossFunction = Callable[[Tensor], dict[str, Tensor]]
"""latents -> named (B,) losses, the one to minimise under "total"."""
StepHook = Callable[[int, dict[str, Tensor], Tensor], None]
"""Told the step, the detached losses and the detached latents after the step."""


@dataclass(frozen=True)
class Stage:
    """How long and how fast to optimise."""

    steps: int
    lr: float
    ramp: Ramp
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Optimised:
    """Result of a stage.

    Attributes:
        latents: (B,...) after the last step; a failed picture keeps its last finite ones.
        failed_at: per picture the 0-based step whose loss or gradient was not finite, or None.
    """

    latents: Tensor
    failed_at: tuple[int | None, ...]


def optimise(start: Tensor, losses: LossFunction, stage: Stage, on_step: StepHook | None = None) -> Optimised:
    """Minimise every picture's own loss with Adam from `start` (B,...).

    The losses of the batch are summed, and Adam works number by number, so a picture's path is the one it would take
    alone. A picture whose loss or gradient turns non-finite is stopped where it stood; the others go on.
    """
    latents = start.detach().clone().requires_grad_(True)
    optimiser = torch.optim.Adam([latents], lr=stage.lr, betas=stage.betas)
    failed_at: list[int | None] = [None] * len(start)
    alive = torch.ones(len(start), dtype=torch.bool, device=start.device)
    shape = (-1,) + (1,) * (start.ndim - 1)
    for step in range(stage.steps):
        optimiser.param_groups[0]["lr"] = stage.lr * stage.ramp.factor(step, stage.steps)
        optimiser.zero_grad(set_to_none=True)
        values = losses(latents)
        # A picture that failed must not reach the sum: 0 · nan is nan, so it is left out, not weighted away.
        values["total"][alive & values["total"].isfinite()].sum().backward()
        assert latents.grad is not None
        sound = alive & values["total"].isfinite() & latents.grad.flatten(1).isfinite().all(1)
        for index in (alive & ~sound).nonzero().flatten().tolist():
            failed_at[index] = step
        alive = sound
        if not alive.any():
            break
        latents.grad.nan_to_num_(0.0, 0.0, 0.0)
        before = latents.detach().clone()
        optimiser.step()
        if not alive.all():
            with torch.no_grad():
                latents.copy_(torch.where(alive.view(shape), latents, before))
        if on_step is not None:
            on_step(step, {name: value.detach() for name, value in values.items()}, latents.detach())
    return Optimised(latents.detach(), tuple(failed_at))
