"""Pivotal tuning: bend the generator a little, for one picture, until the visible face is the person's own.

Roich et al. 2021 (PTI, arXiv:2106.05744): the latents stay where the projection left them, and the weights are tuned;
a second term holds faces near by as they were, so that the generator stays a generator of faces (section 3.3). Here
only visible pixels and features count, since the others belong to the face mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TuningSettings:
    """
    Attributes:
        steps: of Adam, with its usual decay rates.
        lr: learning rate.
        locality: weight of the faces near by.
    """

    steps: int
    lr: float
    locality: float


Loss = Callable[[], dict[str, Tensor]]
"""Renders with the weights as they are -> named (1,) values with their sum under "total"."""
StepHook = Callable[[int, dict[str, Tensor]], None]


def tune(
    parameters: Sequence[nn.Parameter],
    visible: Loss,
    near: Sequence[Loss],
    settings: TuningSettings,
    on_step: StepHook | None = None,
) -> int | None:
    """Change `parameters` in place.

    Args:
        visible: the picture's own loss.
        near: a loss for each of the faces near by; they have their turns.
    Returns:
        None, or the step before which the loss or a gradient was not finite; the parameters are then as they were at
        that step.
    """
    optimiser = torch.optim.Adam(parameters, lr=settings.lr)
    for step in range(settings.steps):
        optimiser.zero_grad(set_to_none=True)
        losses = visible()
        total = losses["total"].sum()
        if near and settings.locality > 0:
            apart = settings.locality * near[step % len(near)]()["total"].sum()
            losses["locality"] = apart.detach()[None]
            total = total + apart
        total.backward()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not all(bool(one.isfinite().all()) for one in (total, *gradients)):
            return step
        optimiser.step()
        if on_step is not None:
            on_step(step, {name: value.detach() for name, value in losses.items()})
    return None


@torch.no_grad()
def neighbours(latents: Tensor, strangers: Tensor, reach: float) -> Tensor:
    """Faces between a picture's latents and random ones: (N,L,D).

    Args:
        latents: (1,L,D).
        strangers: (N,1,D) random faces, in the same coordinates.
        reach: how far to go towards them, from 0 (not at all) to 1.
    """
    return latents + reach * (strangers - latents)
