"""The picture of a grid over two numbers: a heat map per metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmask.figure import panels
from unmask.results.catalogue import DIGITS, HIGHER_IS_BETTER, best_mean
from unmask.results.table import format_number
from unmask.sweep.curves import direction, drawn_metrics, numeric_keys
from unmask.sweep.jobs import Job, number

ANNOTATED = 64
"""Maps of at most this many cells have the numbers written into them."""


def heat_keys(jobs: Sequence[Job], keys: Sequence[str]) -> tuple[str, str] | None:
    """The two keys of a heat map, the one with more values across; None where the jobs are no such grid."""
    varying = [key for key in keys if len({job.values.get(key, "") for job in jobs}) > 1]
    if len(varying) != 2 or numeric_keys(jobs, varying) != varying:
        return None
    across, down = sorted(varying, key=lambda key: -len({job.values[key] for job in jobs}))
    return across, down


def draw_heat_maps(jobs: Sequence[Job], keys: tuple[str, str], path: Path) -> None:
    """Draw one map per metric into `path`; `keys` are what lies across and down. The best cell has a frame."""
    from matplotlib.patches import Rectangle

    across, down = keys
    xs = sorted({_value(job, across) for job in jobs})
    ys = sorted({_value(job, down) for job in jobs})
    names = drawn_metrics(jobs)
    wide, high = max(3.6, 0.75 * len(xs) + 1.6), max(2.6, 0.45 * len(ys) + 1.2)
    with panels(path, len(names), wide=wide, high=high) as (figure, drawn):
        for name, panel in zip(names, drawn, strict=True):
            grid = np.full((len(ys), len(xs)), np.nan)
            for job in jobs:
                if name in job.metrics:
                    grid[ys.index(_value(job, down)), xs.index(_value(job, across))] = job.metrics[name].mean
            # The better, the brighter: reversed where low is good.
            image = panel.imshow(
                grid, origin="lower", aspect="auto", cmap="viridis" if HIGHER_IS_BETTER[name] else "viridis_r"
            )
            figure.colorbar(image, ax=panel)
            best = best_mean(name, [float(value) for value in grid[np.isfinite(grid)]])
            for (row, column), value in np.ndenumerate(grid):
                if not np.isfinite(value):
                    continue
                if grid.size <= ANNOTATED:
                    light = (value - np.nanmin(grid)) / max(float(np.nanmax(grid) - np.nanmin(grid)), 1e-12)
                    bright = light if HIGHER_IS_BETTER[name] else 1 - light
                    colour = "black" if bright > 0.6 else "white"
                    text = format_number(float(value), DIGITS.get(name, 3))
                    panel.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
                if best is not None and value == best:
                    frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="C3", linewidth=2.5)
                    panel.add_patch(frame)
            panel.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
            panel.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
            panel.set_xlabel(across)
            panel.set_ylabel(down)
            panel.set_title(f"{name} ({direction(name)})", fontsize=10)


def _value(job: Job, key: str) -> float:
    value = number(job.values[key])
    assert value is not None
    return value
