"""Files in, numbers out: what a run directory's pictures are worth, measured whenever one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unmask.errors import UnmaskError
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.samples import measure_samples
from unmask.evaluation.truth import CPU, Truth
from unmask.faces import Original
from unmask.results.catalogue import (
    ADDED_LATER,
    NOT_MEASURED,
    ONE_ANSWER,
    RAW_NOT_KEPT,
    SAMPLE_NAMES,
    Measurement,
)
from unmask.results.pictures import Hidden, read_hidden, read_pictures, read_raw_samples
from unmask.results.records import PictureRecord

Originals = Callable[[Sequence[str]], Iterable[Original]]
"""Called with ids for the files of these pictures, in this order; those that cannot be read are left out."""
Occlusions = Callable[[str], Hidden]
"""Called with an id for where the face mask is, where a run directory does not say it."""
MISSING = (NOT_MEASURED, ADDED_LATER)
"""Reasons for which a number is still to be computed."""
AHEAD = 2
"""Pictures in memory for each worker."""


@dataclass(frozen=True)
class Measured:
    """A run directory and the records of its pictures that are to be measured."""

    folder: Path
    records: tuple[PictureRecord, ...]


def measure_pictures(
    runs: Sequence[Measured],
    originals: Originals,
    occlusions: Occlusions | None = None,
    *,
    faces: FaceMetrics,
    workers: int = 1,
    device: torch.device = CPU,
) -> Iterator[tuple[Measured, PictureRecord]]:
    """The pictures of all runs with their numbers, picture by picture in the order of the ids.

    A metric that has a value and cannot be computed any more keeps it. What is known of an original, its face above
    all, is computed once for all runs and all answers. Memory does not grow with the number of pictures. A number does
    not depend on `workers`, nor on the other pictures.

    Args:
        runs: of one data set.
        originals: gives the inputs.
        occlusions: asked for pictures of runs that did not keep where the face mask was; None: all did.
        faces: which metrics of the face are wanted.
        workers: threads.
        device: where LPIPS is computed.
    Raises:
        UnmaskError: a picture is missing or damaged, or weights that a metric needs cannot be had.
    """
    by_id: dict[str, list[tuple[Measured, PictureRecord]]] = {}
    for run in runs:
        for record in run.records:
            by_id.setdefault(record.id, []).append((run, record))

    def of_one(original: Original) -> list[tuple[Measured, PictureRecord]]:
        truth = Truth.remembered(original, device)
        measured = [
            (run, measure_record(run.folder, record, truth, occlusions, faces=faces))
            for run, record in by_id[original.id]
        ]
        truth.facts.keep()
        return measured

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(max(1, workers), initializer=_single_thread) as pool:
        waiting: list[Future[list[tuple[Measured, PictureRecord]]]] = []
        try:
            for original in originals(tuple(sorted(by_id))):
                waiting.append(pool.submit(of_one, original))
                if len(waiting) > AHEAD * workers:
                    yield from waiting.pop(0).result()
            for future in waiting:
                yield from future.result()
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)


def _single_thread() -> None:
    """Each worker takes one core, so that rounding does not depend on how many there are."""
    torch.set_num_threads(1)


def wanting(record: PictureRecord, faces: FaceMetrics) -> bool:
    """Whether a metric that is wanted has not been tried on the picture."""
    return any(one.reason in (*MISSING, *faces.refusals) for one in record.measurements.values())


def measure_record(
    folder: Path, record: PictureRecord, truth: Truth, occlusions: Occlusions | None, *, faces: FaceMetrics
) -> PictureRecord:
    """One picture of the run directory `folder`, with its numbers; what cannot be computed now keeps what it had.

    Raises:
        UnmaskError: the files are another picture's than the data set's, missing or damaged.
    """
    if record.input and truth.original.content and record.input != truth.original.content:
        raise UnmaskError(
            f"{folder}: {record.id} was made from other files than those that data.root has under this id. Name the "
            "data that the run was made from."
        )
    written = read_pictures(folder, record)
    hidden = read_hidden(folder, record.id)
    if hidden is None:
        assert occlusions is not None, f"{folder} did not keep the occlusion of {record.id}"
        hidden = occlusions(record.id)
    numbers = measure(
        raw=written.raw,
        composite=written.composite,
        occlusion=hidden.occlusion,
        filled=hidden.filled,
        truth=truth,
        faces=faces,
    )
    if record.several:
        numbers |= measure_samples(
            raws=_stacked(read_raw_samples(folder, record.id, len(written.samples))),
            composites=torch.stack(written.samples),
            occlusion=hidden.occlusion,
            truth=truth,
            first=numbers,
        )
    else:
        numbers |= dict.fromkeys(SAMPLE_NAMES, Measurement(None, ONE_ANSWER))
    earlier = record.measurements
    kept = {
        name: earlier[name]
        for name, one in numbers.items()
        if one.value is None and earlier[name].value is not None and one.reason in (RAW_NOT_KEPT, *FaceMetrics.OFF)
    }
    return replace(record, measurements=numbers | kept)


def _stacked(pictures: Sequence[torch.Tensor] | None) -> torch.Tensor | None:
    return None if pictures is None else torch.stack(tuple(pictures))
