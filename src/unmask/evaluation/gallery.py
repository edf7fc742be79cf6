"""The pictures of a run for people, made of its files: grid.png, and what TensorBoard shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.evaluation.measure import Originals
from unmask.results.grid import GridRow, draw_grid, grid_titles, sample_strip
from unmask.results.pictures import read_pictures
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


def make_gallery(records: Sequence[PictureRecord], originals: Originals, folder: Path) -> Gallery | None:
    """Of the finished pictures `records` in the run directory `folder`; None for no picture.

    Args:
        originals: gives the inputs, called with ids.
    """
    written = {record.id: read_pictures(folder, record) for record in records}
    answers = max((len(one.samples) for one in written.values()), default=0)
    rows = [
        GridRow.from_tensors(
            original.id,
            masked=original.masked,
            raw=written[original.id].raw,
            composite=written[original.id].composite,
            clean=original.clean,
            samples=written[original.id].samples,
            deviation=written[original.id].deviation,
            answers=answers,
        )
        for original in originals(tuple(written))
    ]
    if not rows:
        return None
    strips = {
        id: sample_strip(id, files.samples, files.deviation)
        for id, files in written.items()
        if files.deviation is not None
    }
    return Gallery(draw_grid(rows, grid_titles(answers)), strips)
