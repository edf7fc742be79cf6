"""The picture of a comparison: a face per row, a run per column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.compare.comparison import Comparison
from unmask.data import dataset_of
from unmask.errors import UnmaskError
from unmask.faces import Original
from unmask.images import load_image, to_uint8
from unmask.results.grid import GridRow, cell_size, draw_grid, wrap_title
from unmask.results.read import FinishedRun


@dataclass(frozen=True)
class Picture:
    """The drawn grid, (H,W,3) uint8, and what there is to say about it; None where nothing is."""

    grid: np.ndarray
    note: str | None


def choose_ids(comparison: Comparison, *, asked: Sequence[str] | None, rows: int) -> tuple[str, ...]:
    """The faces to show: `asked` in that order, or the first `rows` by id.

    Raises:
        UnmaskError: one that is asked for is not among the compared ones.
    """
    if asked is None:
        return comparison.ids[:rows]
    unknown = [id for id in asked if id not in comparison.ids]
    if unknown:
        raise UnmaskError(f"--ids: {', '.join(unknown)} not among the {len(comparison.ids)} compared pictures.")
    return tuple(dict.fromkeys(asked))


def draw(comparison: Comparison, ids: Sequence[str], *, source: FinishedRun) -> Picture:
    """Input, a composite per run in the order of the table, and the clean picture.

    Args:
        source: the run whose config.yaml says where input and clean pictures are; columns that cannot be had are left
            out, and the note says so.
    Raises:
        UnmaskError: a composite is missing or damaged; names it.
    """
    columns = [(row.name, _composites(row.run, ids)) for row in comparison.rows]
    try:
        originals = _originals(source, ids)
        note = None if _has_clean(originals) else "There are no clean pictures, so the picture has no such column."
    except (UnmaskError, OSError) as error:
        originals, note = {}, f"The picture has no columns for input and clean: {error}"

    if originals:
        columns.insert(0, ("input", [to_uint8(originals[id].masked) for id in ids]))
    if _has_clean(originals):
        columns.append(("clean", [to_uint8(clean) for id in ids if (clean := originals[id].clean) is not None]))
    rows = [GridRow(id, tuple(pictures[index] for _, pictures in columns)) for index, id in enumerate(ids)]
    cell = cell_size(rows)
    return Picture(draw_grid(rows, [wrap_title(title, cell) for title, _ in columns]), note)


def _composites(run: FinishedRun, ids: Sequence[str]) -> list[np.ndarray]:
    missing = [id for id in ids if not run.composite(id).is_file()]
    if missing:
        raise UnmaskError(
            f"{run.composite(missing[0])}: missing ({len(missing)} of {len(ids)} composites to show). "
            "Show others with --ids or --rows, or leave this run out."
        )
    return [to_uint8(load_image(run.composite(id), run.result.run.resolution)) for id in ids]


def _originals(source: FinishedRun, ids: Sequence[str]) -> dict[str, Original]:
    """The pictures of `ids` that a run's configuration names.

    Raises:
        UnmaskError: they are not there, or the configuration is of another version.
    """
    dataset = dataset_of(source, ids)
    return {one.id: one for one in map(dataset.read, range(len(dataset)))}


def _has_clean(originals: dict[str, Original]) -> bool:
    """A dataset has clean pictures for all ids or for none."""
    return any(one.clean is not None for one in originals.values())
