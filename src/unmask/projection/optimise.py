"""The optimiser's loop: one stage of a projection over a batch of pictures that do not influence each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.projection.exploration import Explore
from unmask.projection.noise import NoiseMaps, normalise_noise
from unmask.projection.schedules import Ramp

LossFunction = Callable[[Tensor, NoiseMaps], dict[str, Tensor]]
"""Latents and noise maps -> named (B,) losses, the one to minimise under "total"."""
StepHook = Callable[[int, dict[str, Tensor], Tensor, NoiseMaps], None]
"""Told the step, the detached losses, and the detached latents and noise after the step."""


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
        noise: the noise maps after the last step, (B,1,h,w) each; empty if there were none.
        failed_at: per picture the 0-based step whose loss or gradient was not finite, or None.
    """

    latents: Tensor
    noise: NoiseMaps
    failed_at: tuple[int | None, ...]


def optimise(
    start: Tensor,
    losses: LossFunction,
    stage: Stage,
    on_step: StepHook | None = None,
    *,
    noise: NoiseMaps = (),
    explore: Explore | None = None,
) -> Optimised:
    """Minimise every picture's own loss with Adam, from latents `start` (B,...) and `noise` maps (B,1,h,w).

    At every step the loss is taken at the latents plus the offset that `explore` gives, if it is given.

    The losses of the batch are summed, and Adam works number by number, so a picture's path is the one it would take
    alone. A picture whose loss or gradient turns non-finite is stopped where it stood; the others go on.
    """
    latents = start.detach().clone().requires_grad_(True)
    maps = tuple(one.detach().clone().requires_grad_(True) for one in noise)
    variables = (latents, *maps)
    optimiser = torch.optim.Adam(variables, lr=stage.lr, betas=stage.betas)
    failed_at: list[int | None] = [None] * len(start)
    alive = torch.ones(len(start), dtype=torch.bool, device=start.device)
    for step in range(stage.steps):
        optimiser.param_groups[0]["lr"] = stage.lr * stage.ramp.factor(step, stage.steps)
        optimiser.zero_grad(set_to_none=True)
        offset = None if explore is None else explore(step, stage.steps, latents.detach())
        values = losses(latents if offset is None else latents + offset, maps)
        # A picture that failed must not reach the sum: 0 · nan is nan, so it is left out, not weighted away.
        values["total"][alive & values["total"].isfinite()].sum().backward()
        sound = alive & values["total"].isfinite()
        for variable in variables:
            assert variable.grad is not None
            sound = sound & variable.grad.flatten(1).isfinite().all(1)
        for index in (alive & ~sound).nonzero().flatten().tolist():
            failed_at[index] = step
        alive = sound
        if not alive.any():
            break
        _step(optimiser, variables, alive)
        normalise_noise(maps)
        if on_step is not None:
            detached = {name: value.detach() for name, value in values.items()}
            on_step(step, detached, latents.detach(), tuple(one.detach() for one in maps))
    return Optimised(latents.detach(), tuple(one.detach() for one in maps), tuple(failed_at))


@torch.no_grad()
def _step(optimiser: torch.optim.Optimizer, variables: tuple[Tensor, ...], alive: Tensor) -> None:
    """One step that leaves the pictures that are not `alive` (B,) where they are."""
    if alive.all():
        optimiser.step()
        return
    before = [variable.clone() for variable in variables]
    for variable in variables:
        assert variable.grad is not None
        variable.grad.nan_to_num_(0.0, 0.0, 0.0)
    optimiser.step()
    for variable, old in zip(variables, before, strict=True):
        variable.copy_(torch.where(alive.view(-1, *(1,) * (variable.ndim - 1)), variable, old))
