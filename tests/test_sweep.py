"""Multirun: one directory per command, finished jobs stay, failed ones are told, a summary beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from conftest import QUICK, Cli
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.sweep import summarise
from unmask.sweep.jobs import read_jobs, record_death
from unmask.sweep.naming import MAX_NAME, job_name, register_resolvers, shorten, sweep_name, swept_keys

PROBE = ("method=inpaint", "method._target_=probe_method.Probe")


def rows(sweep_dir: Path) -> list[dict[str, str]]:
    with (sweep_dir / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def only_sweep(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "outputs" / "multirun").iterdir()
    return folder


@pytest.mark.slow
def test_failed_jobs_do_not_lose_the_others_and_run_again(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path
) -> None:
    command = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "data.limit=2", "method.radius=14,13,1")
    first = unmask_cli(*command)
    assert first.code == 1
    sweep_dir = only_sweep(tmp_path)
    table = rows(sweep_dir)
    assert [row["method.radius"] for row in table] == ["1", "13", "14"]
    assert [row["status"] for row in table] == ["complete", "failed", "failed"]
    assert [row["n"] for row in table] == ["2", "0", "0"]
    assert "brings bad luck" in table[1]["reason"]
    assert "the programmer's fault" in table[2]["reason"]
    assert "brings bad luck" in (sweep_dir / "summary.md").read_text()
    assert "2 of 3 jobs did not finish" in first.err
    assert "the programmer's fault" in (sweep_dir / "method.radius=14" / "run.log").read_text()
    with Image.open(sweep_dir / "summary.png") as picture:
        assert picture.width > 300

    notes.write_text("")
    again = unmask_cli(*command, "device=auto")
    assert again.code == 1
    assert only_sweep(tmp_path) == sweep_dir
    assert {line.split()[1] for line in notes.read_text().splitlines()} == {"13.0", "14.0"}
    assert rows(sweep_dir) == table


@pytest.mark.slow
def test_an_experiment_can_be_a_sweep_by_itself(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path
) -> None:
    sweep = ("experiment=study/lambda_sweep", "method.lambda_perceptual=0.8,10")  # fewer than its own
    command = (*sweep, PROBE[1], *QUICK, f"data.root={masked_tree}", "data.limit=1")
    answer = unmask_cli(*command)
    assert answer.code == 0, answer.err
    sweep_dir = only_sweep(tmp_path)
    assert [row["method.lambda_perceptual"] for row in rows(sweep_dir)] == ["0.8", "10"]
    assert (sweep_dir / "method.lambda_perceptual=0.8" / "metrics.json").is_file()
    notes.write_text("")
    assert unmask_cli("-m", *command).code == 0
    assert only_sweep(tmp_path) == sweep_dir
    assert notes.read_text() == ""


def test_a_sweep_can_have_a_directory_of_its_own(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path
) -> None:
    command = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "data.limit=1", "method.radius=1,2")
    answer = unmask_cli(*command, "hydra.sweep.dir=mine")
    assert answer.code == 0, answer.err
    assert [row["method.radius"] for row in rows(tmp_path / "mine")] == ["1", "2"]
    assert (tmp_path / "mine" / "method.radius=2" / "metrics.json").is_file()


@pytest.fixture
def hydra_ready() -> Iterator[None]:
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield


@pytest.mark.usefixtures("hydra_ready")
def test_sweeps_share_a_name_exactly_when_they_ask_for_the_same() -> None:
    def name(*overrides: str) -> str:
        config = compose("run", list(overrides), return_hydra_config=True)
        # compose() takes no sweeps, but reads an experiment's own
        return sweep_name(swept_keys(config), config)

    values = compose("run", ["experiment=study/lambda_sweep"], return_hydra_config=True).hydra.sweeper.params
    assert "0.8" in values["method.lambda_perceptual"].split(",")
    base = name("experiment=study/lambda_sweep")
    assert base.startswith("method.lambda_perceptual-")
    assert name("experiment=study/lambda_sweep", "device=cpu", "data.num_workers=2", "progress=false") == base
    assert name("experiment=study/lambda_sweep", "seed=1") != base
    assert name("experiment=study/lambda_sweep", "hydra.sweeper.params={method.lambda_perceptual:'1,2'}") != base


def test_job_names_are_readable_and_short() -> None:
    overrides = ["method.lambda_perceptual=0.2", "data.limit=3", "experiment=study/stylegan_bce"]
    assert job_name("method.lambda_perceptual", overrides) == "method.lambda_perceptual=0.2"
    assert job_name("experiment", overrides) == "experiment=study_stylegan_bce"
    assert job_name("", overrides) == "job"
    long = [f"data.ids=[{','.join(f'{i:05d}' for i in range(last))}]" for last in (90, 91)]
    names = {job_name("data.ids", [override]) for override in long}
    assert len(names) == 2
    assert all(len(name) <= MAX_NAME and "/" not in name and "[" not in name for name in names)
    assert shorten("a b") != shorten("a:b")


def make_job(sweep_dir: Path, overrides: list[str], psnr: float | None) -> None:
    folder = sweep_dir / "_".join(overrides)
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create([*overrides, "data.limit=2"]), folder / ".hydra" / "overrides.yaml")
    value = {"mean": psnr, "ci95": None if psnr is None else [psnr - 1, psnr + 2]}
    lpips = {"mean": psnr, "ci95": None if psnr is None else [psnr, psnr]}
    report = {
        "status": "complete",
        "n": 2,
        "seconds_per_image": 1.5,
        "metrics": {"hole/psnr": value, "hole/lpips": lpips},
        "failures": [],
        "config_hash": "0",
    }
    (folder / "metrics.json").write_text(json.dumps(report))


def test_the_summary_sorts_numbers_by_size_and_marks_the_best(tmp_path: Path) -> None:
    for value, psnr in ((10, 3.0), (9, 5.0), (0.5, None)):
        make_job(tmp_path, [f"method.radius={value}"], psnr)
    summarise(tmp_path, ["method.radius"])
    assert [row["method.radius"] for row in rows(tmp_path)] == ["0.5", "9", "10"]
    assert [row["hole/psnr/hi"] for row in rows(tmp_path)] == ["", "7.0", "5.0"]
    lines = (tmp_path / "summary.md").read_text().splitlines()
    nine = next(line for line in lines if line.startswith("| 9 "))
    ten = next(line for line in lines if line.startswith("| 10 "))
    assert "**5** [4, 7]" in nine
    assert "**5** [5, 5]" not in nine  # the larger LPIPS is the worse
    assert "**3** [3, 3]" in ten


def test_a_job_that_was_killed_is_not_complete(tmp_path: Path) -> None:
    make_job(tmp_path, ["method.radius=1"], 3.0)
    path = tmp_path / "method.radius=1" / "metrics.json"
    path.write_text(path.read_text().replace('"complete"', '"incomplete"'))
    (job,) = read_jobs(tmp_path, ["method.radius"])
    assert not job.complete
    assert "interrupted" in job.reason
    with pytest.raises(SystemExit):
        summarise(tmp_path, ["method.radius"])
    assert rows(tmp_path)[0]["status"] == "failed"


def test_a_death_is_noted_even_where_the_job_never_started(tmp_path: Path) -> None:
    make_job(tmp_path, ["method.radius=1"], 3.0)
    for value in (1, 2):
        record_death(tmp_path / f"method.radius={value}", [f"method.radius={value}"], "the machine was lost")
    done, lost = read_jobs(tmp_path, ["method.radius"])
    assert done.complete  # it died after its last file was written
    assert (lost.name, lost.values, lost.reason) == (
        "method.radius=2", {"method.radius": "2"}, "the machine was lost",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "jobs"),
    [
        (["method.radius"], [["method.radius=1"], ["method.radius=64"]]),
        (["method"], [["method=copy"], ["method=inpaint"]]),
        (["method", "data.limit"], [["method=copy", "data.limit=1"], ["method=inpaint", "data.limit=4"]]),
        ([], [["data.split=test"]]),
    ],
)  # fmt: skip
def test_every_kind_of_sweep_has_a_picture(keys: list[str], jobs: list[list[str]], tmp_path: Path) -> None:
    for index, overrides in enumerate(jobs):
        make_job(tmp_path, overrides, 1.0 + index)
    summarise(tmp_path, keys)
    with Image.open(tmp_path / "summary.png") as picture:
        picture.load()
        darkest, brightest = picture.convert("L").getextrema()
    assert darkest < 100
    assert brightest > 200
