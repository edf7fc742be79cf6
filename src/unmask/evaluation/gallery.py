"""The pictures of a run for people, made of its files: grid.png, and what TensorBoard shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unmask.evaluation.outputs import RunOutputs
from unmask.faces import Faces
from unmask.results.grid import GridRow, draw_grid, grid_titles, sample_strip
from unmask.results.records import PictureRecord


@dataclass(frozen=True)
class Gallery:
    """Pictures (H,W,3) uint8.

    Attributes:
        grid: a row for each face.
        strips: by id, the composites of all answers and their deviation; empty where methods give one answer.
    """

    grid: np.ndarray
    strips: Mapping[str, np.ndarray]


def make_gallery(
    records: Sequence[PictureRecord], batches: Callable[[Sequence[str]], Iterable[Faces]], outputs: RunOutputs
) -> Gallery | None:
    """Of the finished pictures `records`, whichever process and start of the run made them; None for no picture.

    Args:
        batches: gives the inputs, called with ids.
    """
    written = {record.id: outputs.load_pictures(record) for record in records}
    answers = max((len(one.samples) for one in written.values()), default=0)
    rows = []
    for faces in batches(tuple(written)):
        for index, id in enumerate(faces.ids):
            one, files = faces[index], written[id]
            row = GridRow.from_tensors(
                id,
                masked=one.masked[0],
                raw=files.raw,
                composite=files.composite,
                clean=None if one.clean is None else one.clean[0],
                samples=files.samples,
                deviation=files.deviation,
                answers=answers,
            )
            rows.append(row)
    if not rows:
        return None
    strips = {
        id: sample_strip(id, files.samples, files.deviation)
        for id, files in written.items()
        if files.deviation is not None
    }
    return Gallery(draw_grid(rows, grid_titles(answers)), strips)
