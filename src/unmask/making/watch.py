"""Following a method's optimisation in TensorBoard and on the terminal."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable

from unmask.faces import StepReport
from unmask.making.emerging import EmergingPictures
from unmask.making.part import Curves
from unmask.runlog import RunLog


class StepWatcher:
    """Logs loss curves and the emerging pictures, and counts the time that takes.

    Curves of single pictures are logged for the first `curves` pictures only: a TensorBoard with hundreds of
    tags helps nobody. The mean over all pictures is for `log_mean_curves` at the end. Where several processes
    evaluate, single pictures are those of the first process's share. Of several answers the first is followed.
    """

    def __init__(
        self, run_log: RunLog, *, curves: int, emerging: EmergingPictures, on_note: Callable[[str], None]
    ) -> None:
        """`on_note` is told in words where the method is."""
        self.seconds = 0.0
        self._run_log = run_log
        self._curves = curves
        self._emerging = emerging
        self._on_note = on_note
        self._shown: dict[str, None] = {}
        self._sums: dict[tuple[str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        self._totals: dict[str, int] = {}

    def __call__(self, report: StepReport) -> None:
        started = time.perf_counter()
        which = "" if report.answer == 0 else f" answer {report.answer + 1}"
        self._on_note(f"{', '.join(report.ids)}{which} step {report.taken}/{report.total}")
        if report.answer == 0:
            self._log(report)
        self.seconds += time.perf_counter() - started

    def steps_of(self, id: str) -> int:
        """How many steps a picture takes, as reported; 0 where the method takes none."""
        return self._totals.get(id, 0)

    @property
    def most_steps(self) -> int:
        """Of all pictures so far."""
        return max(self._totals.values(), default=0)

    @property
    def curves(self) -> Curves:
        """The losses of all pictures so far, and the metrics of those that emerge."""
        return {**self._sums, **self._emerging.curves}

    def _log(self, report: StepReport) -> None:
        for name, values in report.losses.items():
            for id, value in zip(report.ids, values.tolist(), strict=True):
                # The loss is of the picture before the step that it was computed for.
                self._log_loss(name, id, value, report.taken - 1)
        self._totals |= dict.fromkeys(report.ids, report.total)
        emerging = self._emerging
        if not emerging.frames.due(report.taken, report.total) or not any(map(emerging.follows, report.ids)):
            return
        for id, picture in zip(report.ids, report.render(), strict=True):
            if emerging.follows(id):
                emerging.show(id, picture, report.taken, report.total)

    def _log_loss(self, name: str, id: str, value: float, step: int) -> None:
        tag = f"objective/{name}"
        if math.isfinite(value):
            total, count = self._sums[tag, step]
            self._sums[tag, step] = (total + value, count + 1)
        if id in self._shown or len(self._shown) < self._curves:
            self._shown[id] = None
            self._run_log.scalar(f"{tag}/{id}", value, step)


def log_mean_curves(curves: Curves, run_log: RunLog) -> None:
    """Each curve as the mean, at each step, over the pictures that were still going on."""
    for (tag, step), (total, count) in sorted(curves.items()):
        run_log.scalar(tag, total / count, step)
