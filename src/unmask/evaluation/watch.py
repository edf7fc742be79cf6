"""Following a method's optimisation in TensorBoard and on the terminal."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from unmask.evaluation.part import Curves
from unmask.runlog import RunLog


class Step(Protocol):
    """What the evaluation reads of a reported step; methods have their own record of this shape."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def step(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def losses(self) -> Mapping[str, Tensor]: ...
    @property
    def render(self) -> Callable[[], Tensor]: ...


class StepWatcher:
    """Logs loss curves and the emerging picture, and counts the time that takes.

    Curves of single pictures are logged for the first `curves` pictures only: a TensorBoard with hundreds of
    tags helps nobody. The mean over all pictures is for `log_mean_curves` at the end. Where several processes
    evaluate, single pictures are those of the first process's share.
    """

    def __init__(self, run_log: RunLog, *, curves: int, emerge_every: int, on_note: Callable[[str], None]) -> None:
        """`on_note` is told in words where the method is."""
        self.seconds = 0.0
        self._run_log = run_log
        self._curves = curves
        self._emerge_every = emerge_every
        self._on_note = on_note
        self._shown: dict[str, None] = {}
        self._first_batch: tuple[str, ...] | None = None
        self._sums: dict[tuple[str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def __call__(self, report: Step) -> None:
        started = time.perf_counter()
        self._on_note(f"{', '.join(report.ids)} step {report.step + 1}/{report.total}")
        for name, values in report.losses.items():
            for id, value in zip(report.ids, values.tolist(), strict=True):
                self._log_loss(name, id, value, report.step)
        if self._first_batch is None:
            self._first_batch = report.ids
        last = report.step + 1 == report.total
        due = self._emerge_every > 0 and (report.step % self._emerge_every == 0 or last)
        if due and report.ids == self._first_batch:
            for id, picture in zip(report.ids, report.render(), strict=True):
                self._run_log.image(f"pictures/emerging/{id}", picture, report.step)
        self.seconds += time.perf_counter() - started

    @property
    def curves(self) -> Curves:
        """The losses of all pictures so far."""
        return self._sums

    def _log_loss(self, name: str, id: str, value: float, step: int) -> None:
        if math.isfinite(value):
            total, count = self._sums[name, step]
            self._sums[name, step] = (total + value, count + 1)
        if id in self._shown or len(self._shown) < self._curves:
            self._shown[id] = None
            self._run_log.scalar(f"losses/{name}/{id}", value, step)


def log_mean_curves(curves: Curves, run_log: RunLog) -> None:
    """One curve per loss: its mean, at each step, over the pictures that were still going on."""
    for (name, step), (total, count) in sorted(curves.items()):
        run_log.scalar(f"losses/{name}", total / count, step)
