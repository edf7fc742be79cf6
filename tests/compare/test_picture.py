"""The picture: a face per row, a run per column, between input and clean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.command import write_pair_tree
from helpers.made_runs import SIZE, make_run
from unmask.compare.comparison import Comparison, compare
from unmask.compare.picture import choose_ids, draw
from unmask.errors import UnmaskError
from unmask.images import load_image, to_uint8
from unmask.results.grid import GAP, wrap_title
from unmask.results.read import read_run

GREYS = {"dark": -0.5, "light": 0.5}


def two_runs(tmp_path: Path, root: Path) -> Comparison:
    runs = [
        read_run(
            make_run(
                tmp_path / name, {"hole/psnr": [grey] * 3}, method=name, grey=grey,
                config={"data": {"root": str(root), "limit": 1, "strict": True}},
            )
        )
        for name, grey in GREYS.items()
    ]  # fmt: skip
    return compare(runs, list(GREYS), runs[0].ids, resolution=SIZE, sort="hole/psnr")


def cells(grid: np.ndarray, rows: int, columns: int) -> list[list[np.ndarray]]:
    """The grid's pictures; they are at its lower right, a gap after each."""
    step = SIZE + GAP
    top, left = grid.shape[0] - rows * step, grid.shape[1] - columns * step
    return [
        [grid[top + y * step :, left + x * step :][:SIZE, :SIZE] for x in range(columns)] for y in range(rows)
    ]  # fmt: skip


def test_input_runs_in_the_order_of_the_table_and_clean(tmp_path: Path) -> None:
    root = write_pair_tree(tmp_path / "pairs", 4, size=SIZE)
    found = two_runs(tmp_path, root)
    ids = choose_ids(found, asked=None, rows=2)
    picture = draw(found, ids, source=found.rows[1].run)
    assert picture.note is None
    for id, row in zip(("00000", "00001"), cells(picture.grid, 2, 4), strict=True):
        assert (row[0] == to_uint8(load_image(root / "cmfd" / "00000" / f"{id}_Mask.jpg"))).all()
        assert (row[1] == 191).all()  # light has the higher PSNR and is the table's first
        assert (row[2] == 64).all()
        assert (row[3] == to_uint8(load_image(root / "ffhq" / "00000" / f"{id}.png"))).all()


def test_the_faces_that_are_asked_for_in_their_order(tmp_path: Path) -> None:
    root = write_pair_tree(tmp_path / "pairs", 3, size=SIZE)
    found = two_runs(tmp_path, root)
    ids = choose_ids(found, asked=("00002", "00000"), rows=8)
    rows = cells(draw(found, ids, source=found.rows[0].run).grid, 2, 4)
    for id, row in zip(("00002", "00000"), rows, strict=True):
        assert (row[3] == to_uint8(load_image(root / "ffhq" / "00000" / f"{id}.png"))).all()
    with pytest.raises(UnmaskError, match=r"--ids: 00009 not among the 3"):
        choose_ids(found, asked=("00001", "00009"), rows=8)


def test_without_the_data_the_runs_alone_and_a_line(tmp_path: Path) -> None:
    found = two_runs(tmp_path, tmp_path / "gone")
    picture = draw(found, ("00001",), source=found.rows[0].run)
    assert picture.note is not None
    assert "no columns for input and clean" in picture.note and str(tmp_path / "gone") in picture.note
    ((light, dark),) = cells(picture.grid, 1, 2)
    assert (light == 191).all() and (dark == 64).all()
    full = draw(two_runs(tmp_path, write_pair_tree(tmp_path / "pairs", 3)), ("00001",), source=found.rows[0].run)
    assert picture.grid.shape == full.grid.shape  # the note is about the run that is the source


def test_without_clean_pictures_that_column_is_left_out(tmp_path: Path) -> None:
    found = two_runs(tmp_path, write_pair_tree(tmp_path / "pairs", 3, size=SIZE, clean=False))
    picture = draw(found, ("00001",), source=found.rows[0].run)
    assert picture.note is not None and "no clean pictures" in picture.note
    assert (cells(picture.grid, 1, 3)[0][1] == 191).all()


def test_a_missing_composite_is_named(tmp_path: Path) -> None:
    found = two_runs(tmp_path, tmp_path / "gone")
    missing = tmp_path / "dark" / "composite" / "00001.png"
    missing.unlink()
    with pytest.raises(UnmaskError) as caught:
        draw(found, ("00000", "00001"), source=found.rows[0].run)
    assert str(missing) in str(caught.value)
    draw(found, ("00000",), source=found.rows[0].run)


def test_long_titles_are_broken_to_fit_their_column() -> None:
    assert wrap_title("input", 256) == "input"
    lines = wrap_title("stylegan_proj lambda_perceptual=0.2 steps=100", 256).split("\n")
    assert " ".join(lines) == "stylegan_proj lambda_perceptual=0.2 steps=100"
    assert len(lines) > 1
    assert "".join(wrap_title("stylegan_masked_mse", 64).split("\n")) == "stylegan_masked_mse"
