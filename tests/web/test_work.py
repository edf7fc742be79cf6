"""Work in a thread: watched, stopped, and failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from unmask.errors import UnmaskError
from unmask.photos import Progress
from unmask.web.work import Finished, watched

Tell = Callable[[Progress], None]


def test_progress_and_then_the_result() -> None:
    def work(tell: Tell) -> str:
        for step in range(3):
            tell(Progress(1, 1, 1, 1, step / 3))
            time.sleep(0.05)
        return "done"

    *told, last = list(watched(work))
    assert last == Finished("done")
    assert [one.fraction for one in told if isinstance(one, Progress)] == [0.0, 1 / 3, 2 / 3]


def test_closing_stops_the_work_at_its_next_step() -> None:
    steps: list[int] = []

    def work(tell: Tell) -> None:
        for step in range(1000):
            steps.append(step)
            tell(Progress(1, 1, 1, 1, step / 1000))
            time.sleep(0.01)

    before = threading.active_count()
    generator = watched(work)
    next(generator)
    generator.close()
    assert len(steps) < 100
    assert threading.active_count() == before


def test_errors_pass_through() -> None:
    def work(tell: Tell) -> None:
        raise UnmaskError("no such face")

    with pytest.raises(UnmaskError, match="no such face"):
        list(watched(work))
