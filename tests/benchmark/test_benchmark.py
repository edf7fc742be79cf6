"""Frozen lists, what they refuse, and who is ahead."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.command import Cli, write_pair_tree
from unmask.benchmark.__main__ import main
from unmask.benchmark.frozen import freeze, hole_digest, known, load, refuse_others
from unmask.benchmark.leaderboard import part_summaries
from unmask.benchmark.ranks import holm, places
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Split
from unmask.config_dir import sample_root
from unmask.data import dataset_of, load_dataset
from unmask.errors import UnmaskError
from unmask.evaluation.sets import measure_set
from unmask.results.catalogue import ALL_NAMES, Measurement
from unmask.results.pictures import Hidden, write_hidden
from unmask.results.read import read_run
from unmask.results.records import PictureRecord, read_records, write_records

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


def test_parts_have_bca_intervals_and_say_what_is_missing() -> None:
    values = np.random.default_rng(0).exponential(size=(3, 12))
    runs = [records(column) for column in values]
    runs[1][4] = replace(runs[1][4], measurements=runs[1][4].measurements | {"hole/lpips": Measurement(None, "none")})
    runs[2] = [replace(one, measurements=dict.fromkeys(ALL_NAMES, Measurement(None, "none"))) for one in runs[2]]
    whole, holed, empty = part_summaries("hole/lpips", runs)
    expected = stats.bootstrap((values[0],), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0))
    assert whole.mean == pytest.approx(values[0].mean()) and whole.reason is None
    assert whole.ci95 == pytest.approx(tuple(expected.confidence_interval), rel=0.05)  # of 2000 resamples
    assert whole.mean - whole.ci95[0] < whole.ci95[1] - whole.mean, "lopsided as the numbers are"
    assert holed.mean == pytest.approx(np.delete(values[1], 4).mean())
    assert (holed.n, holed.reason) == (11, "missing: 1")
    assert (empty.mean, empty.ci95, empty.n) == (None, None, 0)


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("name", known())
def test_a_frozen_list_is_whole(name: str) -> None:
    benchmark = load(name)
    assert list(benchmark.ids) == sorted(set(benchmark.ids))
    assert all(
        len(bytes.fromhex(text)) == 32
        for entry in benchmark.entries
        for text in (entry.masked, entry.clean, entry.hole)
    )


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
    assert unmask_cli("method=inpaint", *QUICK, "hydra.run.dir=inpaint").code == 0
    shutil.copytree(tmp_path / "inpaint" / "composite", tmp_path / "theirs")
    assert unmask_cli("method=pictures", "method.root=theirs", *QUICK, "hydra.run.dir=foreign").code == 0

    assert main(["mine", "--freeze", "inpaint"]) == 0
    capfd.readouterr()
    assert main(["mine.yaml", "inpaint", "foreign", "--out", "board"]) == 0
    told = capfd.readouterr().out
    assert told == (tmp_path / "board" / "leaderboard.md").read_text()
    with (tmp_path / "board" / "leaderboard.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "hole/lpips"]
    assert len(rows) == 2
    assert rows[0]["mean"] == rows[1]["mean"] and {row["rank"] for row in rows} == {"1"}
    assert "set/kid/vgg16" in told and "Inception" in told


def spoil_input(run: Path) -> str:
    table = run / "metrics.csv"
    (input,) = (record.input for record in read_records(table) if record.id == "00003")
    table.write_text(table.read_text().replace(input, "0123456789ab"))
    return "made from other files: 00003"


def spoil_list(run: Path) -> str:
    write_records(run / "metrics.csv", read_records(run / "metrics.csv")[:4])
    summary = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(summary | {"n": 4}))
    return "2 of 6 pictures are missing (00004, 00005"


def spoil_hole(run: Path) -> str:
    write_hidden(run, "00002", Hidden(torch.ones(1, 64, 64), torch.ones(1, 64, 64)))
    return "other holes than the benchmark's: 00002"


def spoil_end(run: Path) -> str:
    summary = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(summary | {"status": "incomplete"}))
    return "not finished"


@pytest.mark.weights
def test_what_is_not_over_the_list_is_refused(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 6, size=64)
    assert unmask_cli("method=copy", *QUICK, "hydra.run.dir=copy").code == 0
    rules = {"version": 1, "about": "", "masks": "", "data": "", "resolution": 64, "metrics": ["hole/lpips"]}
    run = read_run(tmp_path / "copy")
    freeze(run, dataset_of(run, run.ids).pairs, tmp_path / "mine.yaml", rules)
    benchmark = load(str(tmp_path / "mine.yaml"))
    refuse_others(benchmark, read_run(tmp_path / "copy"))
    for spoil in (spoil_input, spoil_list, spoil_hole, spoil_end):
        run = shutil.copytree(tmp_path / "copy", tmp_path / spoil.__name__)
        told = spoil(run)
        with pytest.raises(UnmaskError) as refused:
            refuse_others(benchmark, read_run(run))
        assert told in str(refused.value)
    with pytest.raises(UnmaskError, match="no benchmark nobody; there are ffhq_cmfd_120, sample"):
        load("nobody")


def test_sets_that_are_the_same_have_no_distance() -> None:
    rng = np.random.default_rng(0)
    clean = {"vgg16": rng.normal(size=(20, 6)), "arcface": rng.normal(size=(20, 8))}
    found = {one.name: one for one in measure_set(clean, clean)}
    assert found["set/kid/vgg16"].value == pytest.approx(0.0, abs=1e-9)
    assert found["set/rank1/arcface"].value == 1.0
    assert found["set/fid/inception"].value is None
    assert "Inception" in (found["set/fid/inception"].reason or "")
