from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from helpers.aligned_face import aligned_points
from helpers.trees import write_picture
from unmask.data.landmarks import Search, locate_faces
from unmask.data.report import DrawingReport
from unmask.errors import UnmaskError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "landmarks"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {id: write_picture(tmp_path / "faces" / f"{id}.png", seed=index) for index, id in enumerate("abcd")}


class Finder:
    """Gives every picture the same landmarks and counts them."""

    def __init__(self, *answers: np.ndarray | None, stop_after: int | None = None) -> None:
        self.count = 0
        self.answers = answers or (aligned_points(),)
        self.stop_after = stop_after

    def __call__(self, picture: Tensor) -> np.ndarray | None:
        assert picture.shape == (3, 256, 256)
        if self.count == self.stop_after:
            raise KeyboardInterrupt
        self.count += 1
        return self.answers[(self.count - 1) % len(self.answers)]


def locate(files: dict[str, Path], finder: Finder) -> Search:
    return locate_faces(next(iter(files.values())).parent, files, progress=False, find=finder)


def test_landmarks_are_found_once(files: dict[str, Path]) -> None:
    first, second = Finder(), Finder()
    found = locate(files, first)
    again = locate(files, second)
    assert (first.count, second.count) == (4, 0)
    assert [face.id for face in again.faces] == [face.id for face in found.faces] == list("abcd")
    assert [face.path for face in again.faces] == list(files.values())
    for face in (*found.faces, *again.faces):
        np.testing.assert_array_equal(face.points, aligned_points())


def test_pictures_without_a_face_are_remembered_too(files: dict[str, Path]) -> None:
    found = locate(files, Finder(None, aligned_points()))
    again = locate(files, Finder(stop_after=0))
    for search in (found, again):
        assert [face.id for face in search.faces] == ["b", "d"]
        assert [(failure.id, failure.reason) for failure in search.implausible] == [
            ("a", "no face found"),
            ("c", "no face found"),
        ]


def test_changed_and_new_pictures_are_looked_at_again(files: dict[str, Path], tmp_path: Path) -> None:
    locate(files, Finder())
    state = files["b"].stat()
    os.utime(files["b"], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    write_picture(files["c"], seed=77, size=48)
    files["e"] = write_picture(tmp_path / "faces" / "e.png")
    finder = Finder()
    assert len(locate(files, finder).faces) == 5
    assert finder.count == 3
    assert len(locate(files, Finder(stop_after=0)).faces) == 5


def test_a_part_of_the_pictures_forgets_nothing_of_the_others(files: dict[str, Path]) -> None:
    locate(files, Finder())
    files["b"].touch()
    locate({"b": files["b"]}, Finder())
    assert len(locate(files, Finder(stop_after=0)).faces) == 4


def test_an_interrupted_search_keeps_what_it_found(files: dict[str, Path]) -> None:
    with pytest.raises(KeyboardInterrupt):
        locate(files, Finder(stop_after=3))
    finder = Finder()
    assert len(locate(files, finder).faces) == 4
    assert finder.count == 1


def test_implausible_faces_are_left_out_and_reported(files: dict[str, Path], tmp_path: Path) -> None:
    upside_down = aligned_points()
    upside_down[:, 1] = 1 - upside_down[:, 1]
    found = locate(files, Finder(aligned_points(), upside_down, None))
    assert [face.id for face in found.faces] == ["a", "d"]
    assert [failure.id for failure in found.implausible] == ["b", "c"]
    report = DrawingReport(tmp_path, 4, ("a", "d"), implausible=found.implausible)
    assert report.summary().splitlines() == [
        f"Face masks are drawn on 2 clean faces, of 4 pictures in {tmp_path}",
        "1 left out, mouth out of place: b",
        "1 left out, no face found: c",
    ]


def test_unreadable_pictures_are_reported_and_tried_again(files: dict[str, Path], tmp_path: Path) -> None:
    whole = files["b"].read_bytes()
    state = files["b"].stat()
    files["b"].write_bytes(b"x" * len(whole))
    files["gone"] = tmp_path / "faces" / "gone.png"
    found = locate(files, Finder())
    assert [face.id for face in found.faces] == ["a", "c", "d"]
    assert [failure.id for failure in found.undecodable] == ["b", "gone"]
    assert str(files["b"]) in found.undecodable[0].reason
    files["b"].write_bytes(whole)
    os.utime(files["b"], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert [face.id for face in locate(files, Finder()).faces] == ["a", "b", "c", "d"]


def test_a_damaged_cache_is_made_anew(files: dict[str, Path], cache: Path) -> None:
    locate(files, Finder())
    (file,) = cache.glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    finder = Finder()
    assert len(locate(files, finder).faces) == 4
    assert finder.count == 4


def test_a_cache_that_cannot_be_written_is_named(files: dict[str, Path], cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("in the way")
    with pytest.raises(UnmaskError, match="UNMASK_CACHE"):
        locate(files, Finder())
