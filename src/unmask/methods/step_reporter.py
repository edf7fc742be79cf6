"""From an optimiser's hook to the run's `StepCallback`."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from unmask.methods.base import StepCallback, StepReport
from unmask.projection import tuning
from unmask.projection.noise import NoiseMaps
from unmask.projection.optimise import StepHook

Render = Callable[[Tensor, NoiseMaps], Tensor]
"""Latents and noise maps -> pictures (B,3,H,W) in [-1,1]."""


@final
class StepReporter:
    """Counts the steps of a batch over all stages of all answers."""

    def __init__(self, on_step: StepCallback | None, total: int) -> None:
        """`total`: how many steps there will be."""
        self.on_step = on_step
        self.total = total

    def hook(self, ids: tuple[str, ...], offset: int, render: Render) -> StepHook | None:
        """The hook of a stage whose first step is number `offset`; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor], latents: Tensor, noise: NoiseMaps) -> None:
            on_step(StepReport(ids, offset + step, self.total, losses, lambda: render(latents, noise)))

        return report

    def tuning_hook(self, ids: tuple[str, ...], offset: int, render: Callable[[], Tensor]) -> tuning.StepHook | None:
        """The same for a tuning, which changes not the latents but what `render` makes of them."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor]) -> None:
            on_step(StepReport(ids, offset + step, self.total, losses, render))

        return report
