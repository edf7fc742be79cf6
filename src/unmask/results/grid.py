"""Pictures side by side, for people: a row per face, a title per column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unmask.files import atomic_path
from unmask.images import to_uint8

TITLES = ("input", "raw", "composite", "clean")
SAMPLE_COLUMNS = 4
"""At most this many answers beside the first have a column in the grid."""
CELL_LIMIT = 512
"""Larger pictures are scaled down to this side in the grid, in pixels."""
GAP = 4
ABSENT = 224
"""Grey level of the cell of a picture that is not there."""


@dataclass(frozen=True)
class GridRow:
    """The pictures of one face, (H,W,3) uint8 each, one per column; None where there is none."""

    id: str
    pictures: tuple[np.ndarray | None, ...]

    @classmethod
    def from_tensors(
        cls,
        id: str,
        *,
        masked: Tensor,
        raw: Tensor,
        composite: Tensor,
        clean: Tensor | None,
        samples: Sequence[Tensor] = (),
        deviation: Tensor | None = None,
        answers: int = 1,
    ) -> GridRow:
        """Pictures (3,H,W) in [-1,1], for the columns `grid_titles(answers)`.

        Args:
            samples: the composites of all answers, `composite` the first; only looked at where there are several.
            deviation: how far they differ, as a picture.
        """
        pictures: list[Tensor | None] = [masked, raw, composite]
        if answers > 1:
            of_all: list[Tensor | None] = [*samples, *[None] * (answers - len(samples))]
            pictures += [*of_all[1 : 1 + SAMPLE_COLUMNS], deviation]
        pictures.append(clean)
        return cls(id, tuple(None if picture is None else to_uint8(picture) for picture in pictures))


def grid_titles(answers: int) -> tuple[str, ...]:
    """The columns of a grid of faces with so many answers each."""
    if answers < 2:
        return TITLES
    *before, clean = TITLES
    return (*before, *_sample_titles(min(answers - 1, SAMPLE_COLUMNS)), clean)


def sample_strip(id: str, samples: Sequence[Tensor], deviation: Tensor) -> np.ndarray:
    """All composites of one face and their deviation side by side: pictures (3,H,W) in [-1,1] -> (H,W,3) uint8."""
    row = GridRow(id, tuple(to_uint8(picture) for picture in (*samples, deviation)))
    return draw_grid([row], ("composite", *_sample_titles(len(samples) - 1)))


def draw_grid(rows: Sequence[GridRow], titles: Sequence[str] = TITLES) -> np.ndarray:
    """A row per face, `titles` above the columns and the ids at the left -> (H,W,3) uint8 on white.

    A title may have several lines; `wrap_title` makes a long one fit its column.
    """
    assert rows, "a grid of nothing"
    assert all(len(row.pictures) == len(titles) for row in rows), "a picture, or None, for every title"
    cell = cell_size(rows)
    font = _font(cell)
    left = max(round(font.getlength(row.id)) for row in rows) + 3 * GAP
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (11, 3)
    lines = max(title.count("\n") + 1 for title in titles)
    top = lines * (ascent + descent) + 2 * GAP
    size = (left + len(titles) * (cell + GAP), top + len(rows) * (cell + GAP))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        centre = (left + column * (cell + GAP) + cell / 2, top / 2)
        draw.text(centre, title, fill="black", font=font, anchor="mm", align="center")
    for index, row in enumerate(rows):
        y = top + index * (cell + GAP)
        draw.text((left - 2 * GAP, y + cell / 2), row.id, fill="black", font=font, anchor="rm")
        for column, pixels in enumerate(row.pictures):
            if pixels is None:
                picture = Image.new("RGB", (cell, cell), (ABSENT, ABSENT, ABSENT))
                ImageDraw.Draw(picture).text((cell / 2, cell / 2), "none", fill="black", font=font, anchor="mm")
            else:
                picture = Image.fromarray(pixels)
                if picture.size != (cell, cell):
                    picture = picture.resize((cell, cell), Image.Resampling.LANCZOS)
            canvas.paste(picture, (left + column * (cell + GAP), y))
    return np.asarray(canvas)


def cell_size(rows: Sequence[GridRow]) -> int:
    """Side of the grid's cells in pixels: that of the pictures, up to `CELL_LIMIT`."""
    return min(CELL_LIMIT, next(picture.shape[0] for picture in rows[0].pictures if picture is not None))


def wrap_title(title: str, cell: int) -> str:
    """`title` broken into lines that fit above a column of `cell` pixels; within words where there is no other way."""
    font = _font(cell)
    lines = [""]
    for word in title.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= cell:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > cell:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)


def save_grid(grid: np.ndarray, path: Path) -> None:
    """Write the picture of `draw_grid`, atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary)


def _sample_titles(others: int) -> tuple[str, ...]:
    """Of that many answers beside the first, and of the deviation of all."""
    return (*(f"sample {index}" for index in range(1, others + 1)), "deviation")


def _font(cell: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(11, cell // 14))
