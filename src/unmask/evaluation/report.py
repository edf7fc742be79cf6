"""Results for people: the grid of pictures and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.table import Table
from torch import Tensor

from unmask.evaluation.metrics import HIGHER_IS_BETTER, NAMES
from unmask.evaluation.summary import EvaluationResult, MetricSummary
from unmask.files import atomic_path
from unmask.images import to_uint8

TITLES = ("input", "raw", "composite", "clean")
CELL_LIMIT = 512
"""Larger pictures are scaled down to this side in the grid, in pixels."""
GAP = 4
ABSENT = 224
"""Grey level of the cell of a picture that is not there."""
DIGITS = {
    "whole/psnr": 2,
    "whole/ssim": 3,
    "whole/lpips": 3,
    "hole/psnr": 2,
    "hole/lpips": 3,
    "visible/max_abs_change": 1,
    "identity/arcface": 3,
    "raw_visible/psnr": 2,
}


@dataclass(frozen=True)
class GridRow:
    """The pictures of one face, (H,W,3) uint8 each; None where there is none."""

    id: str
    input: np.ndarray
    raw: np.ndarray
    composite: np.ndarray
    clean: np.ndarray | None

    @classmethod
    def from_tensors(cls, id: str, *, masked: Tensor, raw: Tensor, composite: Tensor, clean: Tensor | None) -> GridRow:
        """Pictures (3,H,W) in [-1,1]."""
        return cls(
            id,
            to_uint8(masked),
            to_uint8(raw),
            to_uint8(composite),
            None if clean is None else to_uint8(clean),
        )


def draw_grid(rows: Sequence[GridRow]) -> np.ndarray:
    """A row per face, `TITLES` above the columns and the ids at the left -> (H,W,3) uint8 on white."""
    assert rows, "a grid of nothing"
    cell = min(CELL_LIMIT, rows[0].input.shape[0])
    font = ImageFont.load_default(size=max(11, cell // 14))
    left = max(round(font.getlength(row.id)) for row in rows) + 3 * GAP
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (11, 3)
    top = ascent + descent + 2 * GAP
    size = (left + len(TITLES) * (cell + GAP), top + len(rows) * (cell + GAP))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(TITLES):
        draw.text((left + column * (cell + GAP) + cell / 2, top / 2), title, fill="black", font=font, anchor="mm")
    for index, row in enumerate(rows):
        y = top + index * (cell + GAP)
        draw.text((left - 2 * GAP, y + cell / 2), row.id, fill="black", font=font, anchor="rm")
        for column, pixels in enumerate((row.input, row.raw, row.composite, row.clean)):
            if pixels is None:
                picture = Image.new("RGB", (cell, cell), (ABSENT, ABSENT, ABSENT))
                ImageDraw.Draw(picture).text((cell / 2, cell / 2), "none", fill="black", font=font, anchor="mm")
            else:
                picture = Image.fromarray(pixels)
                if picture.size != (cell, cell):
                    picture = picture.resize((cell, cell), Image.Resampling.LANCZOS)
            canvas.paste(picture, (left + column * (cell + GAP), y))
    return np.asarray(canvas)


def save_grid(grid: np.ndarray, path: Path) -> None:
    """Write the picture of `draw_grid`, atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary)


def terminal_table(results: Sequence[EvaluationResult]) -> Table:
    """Metrics down, results across, for rich to print."""
    table = Table(title="mean over the pictures [95 % interval]", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for result in results:
        table.add_column(f"{result.run.method} (n={result.n})", justify="right")
    for name in NAMES:
        table.add_row(_label(name), *(format_metric(name, result.metrics[name]) for result in results))
    table.add_row("seconds per picture", *(_number(result.seconds_per_image, 2) for result in results))
    table.add_row("peak memory, MB", *(_number(result.peak_memory_mb, 0) for result in results))
    return table


def markdown_table(results: Sequence[EvaluationResult], names: Sequence[str] = NAMES) -> str:
    """Results down, metrics across, in GitHub's Markdown."""
    header = ["method", "n", *(_label(name) for name in names), "s per picture", "peak MB"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for result in results:
        cells = [
            result.run.method,
            str(result.n),
            *(format_metric(name, result.metrics[name]) for name in names),
            _number(result.seconds_per_image, 2),
            _number(result.peak_memory_mb, 0),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def format_metric(name: str, summary: MetricSummary) -> str:
    """The mean with its interval, "–" where there is none, "*" where pictures are missing from it."""
    if summary.mean is None or summary.ci95 is None:
        return "–"
    digits = DIGITS[name]
    low, high = summary.ci95
    star = "" if summary.reason is None else "*"
    return f"{summary.mean:.{digits}f}{star} [{low:.{digits}f}, {high:.{digits}f}]"


def _label(name: str) -> str:
    return f"{name} {'↑' if HIGHER_IS_BETTER[name] else '↓'}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
