"""Frozen lists, what they refuse, and who is ahead."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Cli, write_pair_tree
from unmask.benchmark.__main__ import main
from unmask.benchmark.frozen import hole_digest, known, load
from unmask.benchmark.ranks import holm, places
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Split
from unmask.config_dir import sample_root
from unmask.data import load_dataset
from unmask.evaluation.sets import measure_set
from unmask.results.catalogue import ALL_NAMES, Measurement
from unmask.results.pictures import Hidden
from unmask.results.records import PictureRecord

QUICK = (
    "data.root=pairs", "data.resolution=64", "evaluation.identity=false", "evaluation.expression=false",
    "progress=false",
)  # fmt: skip


def records(values: np.ndarray) -> list[PictureRecord]:
    nothing = {name: Measurement(None, "none") for name in ALL_NAMES}
    return [
        PictureRecord(f"{index:05d}", 0.0, nothing | {"hole/lpips": Measurement(float(value))})
        for index, value in enumerate(values)
    ]


def test_runs_that_cannot_be_told_apart_share_a_rank() -> None:
    rng = np.random.default_rng(0)
    hard = rng.uniform(0, 0.5, 40)  # what makes a picture hard for all drops out of a paired test
    good, alike, worse = hard + 0.01, hard + 0.01 + rng.normal(0, 0.004, 40), hard + 0.03 + rng.normal(0, 0.01, 40)
    found = places("hole/lpips", [records(worse), records(good), records(alike), records(good + np.nan_to_num(0.0))])
    assert [place.rank for place in found if place is not None] == [4, 1, 1, 1]
    assert places("hole/psnr", [records(good)]) == [None], "a metric without values ranks nobody"


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("name", known())
def test_a_frozen_list_is_whole(name: str) -> None:
    benchmark = load(name)
    assert list(benchmark.ids) == sorted(set(benchmark.ids))
    assert all(len(entry.input) == 12 and len(entry.hole) == 64 for entry in benchmark.entries)


def test_the_samples_list_is_the_sample() -> None:
    benchmark = load("sample")
    data = DataConfig(root=str(sample_root()), split=Split.all)
    dataset = load_dataset(data, OcclusionConfig(source=OcclusionSource.painted, grow=False))
    assert dataset.ids == benchmark.ids
    for index in (0, 47):
        faces = dataset[index]
        assert faces.contents[0] == benchmark.entries[index].input
        assert hole_digest(Hidden(faces.occlusion[0], faces.filled[0])) == benchmark.entries[index].hole


@pytest.mark.weights
def test_from_a_folder_of_pictures_to_the_leaderboard(
    unmask_cli: Cli, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pair_tree(tmp_path / "pairs", 6, size=64)
    for method in ("copy", "inpaint"):
        assert unmask_cli(f"method={method}", *QUICK, f"hydra.run.dir={method}").code == 0
    shutil.copytree(tmp_path / "inpaint" / "composite", tmp_path / "theirs")
    assert unmask_cli("method=pictures", "method.root=theirs", *QUICK, "hydra.run.dir=foreign").code == 0

    assert main(["mine", "--freeze", "copy"]) == 0
    capfd.readouterr()
    assert main(["mine.yaml", "copy", "inpaint", "foreign", "--out", "board"]) == 0
    told = capfd.readouterr().out
    assert told == (tmp_path / "board" / "leaderboard.md").read_text()
    with (tmp_path / "board" / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lpips = {row["run"]: row for row in rows if row["metric"] == "hole/lpips"}
    inpainted = next(row for name, row in lpips.items() if name.startswith("inpaint"))
    foreign = next(row for name, row in lpips.items() if name.startswith("pictures"))
    assert (inpainted["rank"], inpainted["mean"]) == (foreign["rank"], foreign["mean"])
    assert "set/kid/vgg16" in told and "Inception" in told

    picture = tmp_path / "pairs" / "ffhq" / "00000" / "00003.png"
    Image.open(picture).rotate(90).save(picture)
    assert unmask_cli("method=copy", *QUICK, "hydra.run.dir=other").code == 0
    assert unmask_cli("method=copy", *QUICK, "data.limit=4", "hydra.run.dir=fewer").code == 0
    assert unmask_cli("method=copy", *QUICK, "occlusion.source=difference", "occlusion.prefer_painted=false",
                      "hydra.run.dir=holes").code == 0  # fmt: skip
    capfd.readouterr()
    for run, why in (("other", "made from other files: 00003"), ("fewer", "2 of 6 pictures are missing")):
        assert main(["mine.yaml", run, "--out", "none"]) == 2
        assert why in capfd.readouterr().err
    assert main(["nobody", "copy"]) == 2
    assert "no benchmark nobody; there are" in capfd.readouterr().err
    assert not (tmp_path / "none").exists()


def test_sets_that_are_the_same_have_no_distance() -> None:
    rng = np.random.default_rng(0)
    clean = {"vgg16": rng.normal(size=(20, 6)), "arcface": rng.normal(size=(20, 8))}
    found = {one.name: one for one in measure_set(clean, clean)}
    assert found["set/kid/vgg16"].value == pytest.approx(0.0, abs=1e-9)
    assert found["set/rank1/arcface"].value == 1.0
    assert found["set/fid/inception"].value is None
    assert "Inception" in (found["set/fid/inception"].reason or "")
