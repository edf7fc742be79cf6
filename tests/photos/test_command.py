"""``python -m unmask.photos``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.sample_scenes import scene
from unmask.errors import UnmaskError
from unmask.photos.__main__ import main
from unmask.photos.scene import quad_at
from unmask.photos.sources import find_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person, one without a mask, and a broken file, in a folder with a folder below."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "below").mkdir()
    one = scene([(1, quad_at(220, 200, 300, 5))], 400, 450)
    Image.fromarray(one.masked).save(folder / "b.png")
    Image.fromarray(one.clean).save(folder / "below" / "clean.jpg", quality=92)
    (folder / "a_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: str | Path) -> int:
    return main([*map(str, arguments), "--no-progress", "--device", "cpu"])


@pytest.mark.weights
def test_a_folder_with_a_broken_file_is_done_and_goes_on(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(photos, "--out", out) == 1
    said = capsys.readouterr().out
    assert "not done" in said and "a_broken.jpg" in said
    assert "left alone: It wears no face mask." in said
    report = json.loads((out / "report.json").read_text())
    entries = {Path(entry["file"]).name: entry for entry in report["photos"]}
    assert set(entries) == {"a_broken.jpg", "b.png", "clean.jpg"}
    assert entries["a_broken.jpg"]["error"] and entries["b.png"]["error"] is None
    assert entries["b.png"]["results"] == ["b.png"] and entries["clean.jpg"]["results"] == []
    (face,) = entries["b.png"]["faces"]
    assert face["skipped"] is None and len(face["quad"]) == 4 and len(face["box"]) == 4
    outline = max(face["occlusion_outlines"], key=len)
    middle = np.array(face["quad"]).mean(0)
    assert len(outline) > 8 and np.array(outline)[:, 1].max() > middle[1] > np.array(outline)[:, 1].min() - 40
    assert 0.05 < face["occlusion"] < 0.4 and face["seconds"] > 0
    with Image.open(photos / "b.png") as before, Image.open(out / "b.png") as after:
        assert after.size == before.size
        changed = (np.asarray(before) != np.asarray(after)).any(-1)
    assert 0.02 < changed.mean() < 0.3

    written = (out / "b.png").stat().st_mtime_ns
    assert run(photos, "--out", out) == 1  # the broken one is tried again, the others are not
    assert "2 of 3 photos are done already" in capsys.readouterr().out
    assert (out / "b.png").stat().st_mtime_ns == written
    (out / "b.png").unlink()
    assert run(photos / "b.png", "--out", out) == 0
    assert (out / "b.png").is_file()


@pytest.mark.weights
def test_answers_formats_and_other_settings(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    asked = (photos / "b.png", "--out", out, "--answers", "2", "--format", "jpg", "--set", "occlusion.seam=2")
    assert run(*asked) == 0
    assert {path.name for path in out.iterdir()} == {"b.jpg", "b_answer2.jpg", "report.json"}
    assert run(photos / "b.png", "--out", out) == 2
    assert "other settings (answers, format, overrides, quality)" in capsys.readouterr().err


def test_mistakes_in_one_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(tmp_path / "nothing.jpg", "--out", out) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(photos, "--out", out, "--occlusion", "map.png") == 2
    assert "belongs to one photo, and 3 are named" in capsys.readouterr().err
    assert run(photos, "--out", out, "--set", "method.nothing=3") == 2
    assert "nothing" in capsys.readouterr().err
    assert not out.exists()


def test_names_do_not_collide(tmp_path: Path) -> None:
    for name in ("one/a.jpg", "one/a.png", "two/a.jpg", "two/deep/a.jpg", "two/.hidden.jpg", "two/out/a.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_photos([str(tmp_path / "one"), str(tmp_path / "two")], tmp_path / "two" / "out")
    assert [photo.name for photo in found] == ["a", "a_png", "a_jpg", "deep/a"]
    twice = find_photos([str(tmp_path / "one" / "a.jpg"), str(tmp_path / "one")], tmp_path / "out")
    assert [photo.name for photo in twice] == ["a", "a_png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnmaskError, match="no photos there"):
        find_photos([str(tmp_path / "empty")], tmp_path)
