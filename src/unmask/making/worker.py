"""One process's share of the pictures: unmask, composite and write each."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, final

import torch

from unmask.compilation import CLOCK, COMPILING
from unmask.config import JoinConfig
from unmask.faces import Faces, Failure, Reconstruction
from unmask.making.emerging import EmergingPictures
from unmask.making.join import join_answers
from unmask.making.outputs import RunOutputs
from unmask.making.part import Part
from unmask.making.watch import StepWatcher
from unmask.processes import Processes
from unmask.results.catalogue import nothing_measured
from unmask.results.records import PictureRecord
from unmask.runlog import RunLog

logger = logging.getLogger(__name__)

NOT_FINITE = "The method returned a picture with values that are not finite."


class DecodedBatches(Protocol):
    """Batches of pictures; those that cannot be decoded are left out."""

    @property
    def undecodable(self) -> tuple[Failure, ...]:
        """The pictures left out so far, and why."""

    def __iter__(self) -> Iterator[Faces]: ...


@final
class Worker:
    """The pictures that fall to this process, and what has become of them so far."""

    def __init__(
        self,
        unmask: Callable[..., Reconstruction],
        batches: DecodedBatches,
        *,
        occlusion: JoinConfig,
        outputs: RunOutputs,
        processes: Processes,
        run_log: RunLog,
        curves: int,
        emerging: EmergingPictures,
        on_finished: Callable[[Faces, Reconstruction], None] | None,
        trained_steps: int,
        on_note: Callable[[str], None],
    ) -> None:
        """`curves` pictures have loss curves of their own, `on_note` is told in words where the method is; for the
        others see `unmask.making.make`."""
        self._unmask = unmask
        self._batches = batches
        self._occlusion = occlusion
        self._outputs = outputs
        self._processes = processes
        self._on_note = on_note
        self._on_finished = on_finished
        self._records: list[PictureRecord] = []
        self._failures: list[Failure] = []
        self._compiled_before = CLOCK.seconds
        self._trained_steps = trained_steps
        self._emerging = emerging
        self._watcher = StepWatcher(run_log, curves=curves, emerging=emerging, on_note=self._note)

    @property
    def part(self) -> Part:
        """What there is to tell so far."""
        return Part(
            tuple(self._records),
            tuple(self._failures),
            self._batches.undecodable,
            self._watcher.curves,
            peak_memory_mb(self._processes.device),
            CLOCK.seconds - self._compiled_before,
            self._trained_steps + self._watcher.most_steps,
        )

    def work(self) -> None:
        """Do all of it; stops between two pictures or steps if another process has failed, with its exception."""
        with CLOCK.reporting_to(lambda: self._on_note(COMPILING)):
            self._work()

    def _work(self) -> None:
        for faces in self._batches:
            self._processes.stop_if_another_failed()
            self._emerging.begin(faces)
            reconstruction, seconds = _timed(
                self._unmask, faces.to(self._processes.device), self._watcher, self._processes.device
            )
            self._failures += reconstruction.failures
            for one, made in _pair(faces, reconstruction, self._failures):
                self._write(one, made, seconds / len(faces))
            self._processes.advance(len(faces))
            self._on_note("")

    def _write(self, one: Faces, made: Reconstruction, seconds: float) -> None:
        (id,) = one.ids
        composites = join_answers(made, one, self._occlusion)
        doubt = " ".join(doubt.reason for doubt in (*one.doubts[:1], *made.remarks)) or None
        if doubt is not None:
            logger.warning("Look at %s: %s", id, doubt)
        added = int((one.filled - one.occlusion).sum())
        nothing = nothing_measured(several=made.samples is not None)
        record = PictureRecord(id, seconds, nothing, doubt, added, "".join(one.contents))
        if self._on_finished is not None:
            self._on_finished(one, made)
        self._outputs.write_picture(one, made, composites, record)
        self._records.append(record)
        if self._emerging.follows(id):
            steps = self._trained_steps + self._watcher.steps_of(id)
            self._emerging.show_end(id, made.raw[0], composites.composite, steps)

    def _note(self, note: str) -> None:
        self._processes.stop_if_another_failed()
        self._on_note(note)


def peak_memory_mb(device: torch.device) -> float | None:
    """Most memory used so far, in 2^20 bytes: of torch on a CUDA device, of this process otherwise.

    None on systems that do not count it (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _timed(
    unmask: Callable[..., Reconstruction], faces: Faces, watcher: StepWatcher, device: torch.device
) -> tuple[Reconstruction, float]:
    """The reconstruction on the CPU, and the seconds of the method alone, without what watcher and compiler took."""
    watched, compiled = watcher.seconds, CLOCK.seconds
    started = time.perf_counter()
    made = unmask(faces, on_step=watcher)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - started - (watcher.seconds - watched) - (CLOCK.seconds - compiled)
    return made.to("cpu"), seconds


def _pair(faces: Faces, made: Reconstruction, failures: list[Failure]) -> Iterable[tuple[Faces, Reconstruction]]:
    """Each finished picture with what was made of it, as batches of one; NaN makes it a failure instead."""
    accounted = {*made.ids, *(failure.id for failure in made.failures)}
    assert accounted == set(faces.ids), f"the method got {faces.ids} and returned {sorted(accounted)}"
    assert made.raw.shape == (len(made.ids), *faces.masked.shape[1:]), f"raw is {tuple(made.raw.shape)}"
    if made.samples is not None:
        count = made.samples.shape[1]
        assert made.samples.shape == (len(made.ids), count, *faces.masked.shape[1:]), f"{tuple(made.samples.shape)}"
        assert count > 1, "one answer is raw alone"
    for row, id in enumerate(made.ids):
        answers = made.raw[row] if made.samples is None else made.samples[row]
        if not bool(answers.isfinite().all()):
            failures.append(Failure(id, NOT_FINITE))
            continue
        yield faces[faces.ids.index(id)], made[row]
