"""A picture of panels side by side, three to a row, written as a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3


@contextmanager
def panels(path: Path, count: int, *, wide: float = 4.2, high: float = 3.2) -> Iterator[tuple[Figure, list[Axes]]]:
    """The figure and its `count` panels of `wide` by `high` inches, to be drawn on; written to `path` in the end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot: no global state, no window system

    columns = min(ACROSS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(wide * columns, high * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in grid[count:]:
        spare.set_visible(False)
    yield figure, grid[:count]
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
