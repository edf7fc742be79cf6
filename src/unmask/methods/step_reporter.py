"""From an optimiser's hook to the run's `StepCallback`."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from unmask.faces import StepCallback, StepReport
from unmask.projection import tuning
from unmask.projection.noise import NoiseMaps
from unmask.projection.optimise import StepHook

Render = Callable[[Tensor, NoiseMaps], Tensor]
"""Latents and noise maps -> pictures (B,3,H,W) in [-1,1]."""


@final
class StepReporter:
    """Counts the steps of a batch over all stages of an answer."""

    def __init__(self, on_step: StepCallback | None, total: int) -> None:
        """`total`: how many steps an answer takes."""
        self.on_step = on_step
        self.total = total

    def begin(self, ids: tuple[str, ...], answer: int, render: Callable[[], Tensor]) -> None:
        """Report the start of an answer."""
        if self.on_step is not None:
            self.on_step(StepReport(ids, answer, 0, self.total, {}, render))

    def hook(self, ids: tuple[str, ...], answer: int, offset: int, render: Render) -> StepHook | None:
        """The hook of a stage before which the answer took `offset` steps; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor], latents: Tensor, noise: NoiseMaps) -> None:
            taken = offset + step + 1
            on_step(StepReport(ids, answer, taken, self.total, losses, lambda: render(latents, noise)))

        return report

    def tuning_hook(
        self, ids: tuple[str, ...], answer: int, offset: int, render: Callable[[], Tensor]
    ) -> tuning.StepHook | None:
        """The same for a tuning, which changes not the latents but what `render` makes of them."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor]) -> None:
            on_step(StepReport(ids, answer, offset + step + 1, self.total, losses, render))

        return report
