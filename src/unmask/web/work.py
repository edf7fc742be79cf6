"""One photo at a time, in a thread that can be watched and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Generic, TypeVar

from unmask.photos import Progress

T = TypeVar("T")


class Stopped(Exception):
    """The user wants no more of it."""


@dataclass(frozen=True)
class Finished(Generic[T]):
    """What the work gave."""

    result: T


def watched(work: Callable[[Callable[[Progress], None]], T]) -> Generator[Progress | Finished[T], None, None]:
    """Run `work` in a thread, and yield its progress and at last its result.

    Closing the generator stops the work at its next step, and waits for that.

    Args:
        work: is given the function that it has to tell its progress.
    Raises:
        Exception: whatever `work` raises.
    """
    told: Queue[Progress | Finished[T] | BaseException] = Queue()
    stop = threading.Event()

    def tell(progress: Progress) -> None:
        if stop.is_set():
            raise Stopped
        told.put(progress)

    def run() -> None:
        try:
            told.put(Finished(work(tell)))
        except BaseException as error:  # raised again by who watches
            told.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            one = told.get()
            while isinstance(one, Progress):  # only the newest matters
                try:
                    one = told.get_nowait()
                except Empty:
                    break
            if isinstance(one, BaseException):
                raise one
            yield one
            if isinstance(one, Finished):
                return
    finally:
        stop.set()
        thread.join()
