"""One process's share of the pictures: unmask, composite, measure and write each."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol, final

import torch

from unmask.compilation import CLOCK, COMPILING
from unmask.config import EvaluationConfig, OcclusionConfig
from unmask.evaluation.emerging import NO_FRAMES, EmergingPictures, Frames
from unmask.evaluation.finish import finish
from unmask.evaluation.metrics import FaceMetrics
from unmask.evaluation.outputs import RunOutputs
from unmask.evaluation.part import Part
from unmask.evaluation.watch import StepWatcher
from unmask.faces import Faces, Failure, Reconstruction
from unmask.processes import Processes
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
class Share:
    """The pictures that fall to this process, and what has become of them so far."""

    def __init__(
        self,
        unmask: Callable[..., Reconstruction],
        batches: DecodedBatches,
        *,
        config: EvaluationConfig,
        occlusion: OcclusionConfig,
        outputs: RunOutputs,
        processes: Processes,
        run_log: RunLog,
        on_finished: Callable[[Faces, Reconstruction], None] | None,
        trained_steps: int,
        on_note: Callable[[str], None],
    ) -> None:
        """`on_note` is told in words where the method is; for the others see `evaluate`."""
        self._unmask = unmask
        self._batches = batches
        self._config = config
        self._occlusion = occlusion
        self._outputs = outputs
        self._processes = processes
        self._on_note = on_note
        self._on_finished = on_finished
        self._records: list[PictureRecord] = []
        self._failures: list[Failure] = []
        self._compiled_before = CLOCK.seconds
        self._trained_steps = trained_steps
        frames = Frames.of(config) if processes.first else NO_FRAMES
        self._emerging = EmergingPictures(run_log, occlusion, frames)
        self._watcher = StepWatcher(run_log, curves=config.grid_rows, emerging=self._emerging, on_note=self._note)

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
        with CLOCK.told(lambda: self._on_note(COMPILING)):
            self._work()

    def _work(self) -> None:
        for faces in self._batches:
            self._processes.heed()
            self._emerging.begin(faces)
            reconstruction, seconds = _timed(
                self._unmask, faces.to(self._processes.device), self._watcher, self._processes.device
            )
            self._failures += reconstruction.failures
            for one, made in _pair(faces, reconstruction, self._failures):
                finished = finish(made, one, self._occlusion, FaceMetrics.of(self._config))
                doubt = one.doubts[0].reason if one.doubts else None
                if doubt is not None:
                    logger.warning("Look at %s: %s", one.ids[0], doubt)
                added = int((one.filled - one.occlusion).sum())
                record = PictureRecord(
                    one.ids[0], seconds / len(faces), finished.measurements, doubt, added, "".join(one.contents)
                )
                if self._on_finished is not None:
                    self._on_finished(one, made)
                self._outputs.write_picture(made, finished, record)
                self._records.append(record)
                if self._emerging.follows(record.id):
                    steps = self._trained_steps + self._watcher.steps_of(record.id)
                    self._emerging.show_end(record.id, made.raw[0], finished.composite, steps)
            self._processes.advance(len(faces))
            self._on_note("")

    def _note(self, note: str) -> None:
        self._processes.heed()
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
    return (
        replace(
            made,
            raw=made.raw.detach().cpu(),
            w_plus=None if made.w_plus is None else made.w_plus.detach().cpu(),
            full=None if made.full is None else made.full.detach().cpu(),
            samples=None if made.samples is None else made.samples.detach().cpu(),
        ),
        seconds,
    )


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
        one = slice(row, row + 1)
        yield (
            faces[faces.ids.index(id)],
            Reconstruction(
                (id,),
                made.raw[one],
                None if made.w_plus is None else made.w_plus[one],
                None if made.full is None else made.full[one],
                None if made.samples is None else made.samples[one],
            ),
        )
