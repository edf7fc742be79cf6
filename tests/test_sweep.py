"""Multirun: one directory per command, finished jobs stay, failed ones are told, a summary beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hydra import compose
from matplotlib.axes import Axes
from omegaconf import OmegaConf
from PIL import Image

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.errors import UnmaskError
from unmask.results.catalogue import DIGITS
from unmask.sweep import summarise
from unmask.sweep.jobs import objective_of, read_jobs, record_death
from unmask.sweep.naming import is_grid, job_name, run_name, sweep_name
from unmask.sweep.search import Search, search_of

PROBE = ("method=inpaint", "method._target_=helpers.probe_method.Probe")


def rows(sweep_dir: Path) -> list[dict[str, str]]:
    with (sweep_dir / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def only_sweep(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "outputs").iterdir()
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
    assert "the programmer's fault" in (sweep_dir / "radius=14" / "run.log").read_text()
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
    assert (sweep_dir / "lambda=0.8" / "metrics.json").is_file()
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
    assert (tmp_path / "mine" / "radius=2" / "metrics.json").is_file()


@pytest.mark.usefixtures("hydra_ready")
def test_sweeps_share_a_name_exactly_when_they_ask_for_the_same() -> None:
    def name(*overrides: str) -> str:
        config = compose("run", list(overrides), return_hydra_config=True)
        # compose() takes no sweeps, but reads an experiment's own
        return sweep_name(config)

    values = compose("run", ["experiment=study/lambda_sweep"], return_hydra_config=True).hydra.sweeper.params
    assert "0.8" in values["method.lambda_perceptual"].split(",")
    base = name("experiment=study/lambda_sweep")
    assert base.startswith("study_lambda_sweep-")
    assert name("experiment=study/lambda_sweep", "device=cpu", "data.num_workers=2", "progress=false") == base
    assert name("experiment=study/lambda_sweep", "seed=1") != base
    assert name("experiment=study/lambda_sweep", "hydra.sweeper.params={method.lambda_perceptual:'1,2'}") != base


def job(*overrides: str, fixed: Sequence[str] = ()) -> str:
    return job_name(fixed, compose("run", list(overrides), return_hydra_config=True))


@pytest.mark.usefixtures("hydra_ready")
def test_jobs_are_named_after_what_is_their_own() -> None:
    overrides = ("method.lambda_perceptual=0.2", "data.limit=3")
    assert job(*overrides, fixed=["data.limit"]) == "lambda=0.2"
    assert job(*overrides, "device=cpu") == "lambda=0.2,limit=3"
    assert job("experiment=study/stylegan_bce", "data.limit=3", fixed=["data.limit"]) == "study_stylegan_bce"
    assert job("method=copy", "data.limit=3") == "copy_limit=3"
    assert job("device=cpu") == "device=cpu", "a sweep over what has no influence still has directories"
    assert job("seed=1", fixed=["seed"]) == "job"


@pytest.mark.usefixtures("hydra_ready")
@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ((), "stylegan_proj"),
        (("method=copy", "device=cpu", "hydra.job.chdir=false", "progress=false"), "copy"),
        (("method.lambda_perceptual=0.2",), "stylegan_proj_lambda=0.2"),
        (("experiment=feed_forward", "data.limit=4"), "feed_forward_limit=4"),
        (("experiment=study/stylegan_bce", "seed=3"), "study_stylegan_bce_seed=3"),
        (("data=ffhq_cmfd", "data.root=/some/pairs/", "occlusion=difference"),
         "stylegan_proj_ffhq_cmfd,root=pairs,occlusion=difference"),
        (("method=pix2pix", "training.root=/a/x", "data.root=/b/y"),
         "pix2pix_training.root=x,data.root=y"),
        (("method=pix2pix", "method.checkpoint='out puts/my run'"), None),
        (("method.w_steps=1", "method.w_steps=2"), "stylegan_proj_w_steps=2"),
    ],
)  # fmt: skip
def test_runs_are_named_after_what_they_are_and_what_was_set(overrides: tuple[str, ...], name: str | None) -> None:
    config = compose("run", list(overrides), return_hydra_config=True)
    found = run_name(config)
    assert found == name or (name is None and found.startswith("pix2pix_checkpoint=my_run_-"))
    assert Path(config.hydra.run.dir).name.startswith(f"{found}_2")


def make_job(sweep_dir: Path, overrides: list[str], psnr: float | None, number: int = 0) -> None:
    folder = sweep_dir / "_".join(overrides)
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create([*overrides, "data.limit=2"]), folder / ".hydra" / "overrides.yaml")
    OmegaConf.save(OmegaConf.create({"hydra": {"job": {"num": number}}}), folder / ".hydra" / "hydra.yaml")
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
    assert "**5.00** [4.00, 7.00]" in nine
    assert "**5.000** [5.000, 5.000]" not in nine  # the larger LPIPS is the worse
    assert "**3.000** [3.000, 3.000]" in ten


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


def test_a_grid_over_two_numbers_has_a_heat_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map's cells are where their values are, and what is missing stays white."""
    drawn: list[np.ndarray] = []
    imshow = Axes.imshow

    def watch(self: Axes, grid: np.ndarray, **options: object) -> object:
        drawn.append(np.array(grid))
        return imshow(self, grid, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "imshow", watch)
    for lr in (0.1, 0.01, 0.05):
        for steps in (4, 16):
            if (lr, steps) != (0.05, 4):
                make_job(tmp_path, [f"method.lr={lr}", f"method.steps={steps}"], 100 * lr + steps)
    summarise(tmp_path, ["method.lr", "method.steps"])
    assert len(drawn) == 2, "hole/psnr and hole/lpips"
    np.testing.assert_allclose(drawn[0], [[5, np.nan, 14], [17, 21, 26]])
    with Image.open(tmp_path / "summary.png") as picture:
        assert picture.width > 600


@pytest.mark.parametrize(("objective", "best"), [("hole/psnr", 5.0), ("hole/lpips", 1.0)])
def test_a_search_tells_its_best_trial_and_on_how_many_pictures(objective: str, best: float, tmp_path: Path) -> None:
    for number, psnr in enumerate((3.0, 1.0, None, 5.0, 4.0)):
        make_job(tmp_path, [f"method.radius={1.123456789 + number}"], psnr, number)
    search = Search(objective)
    summarise(tmp_path, ["method.radius"], search)
    jobs = read_jobs(tmp_path, ["method.radius"])
    assert [trial.number for trial in search.trials(jobs)] == [0, 1, 3, 4]
    lines = (tmp_path / "summary.md").read_text().splitlines()
    (starred,) = (line for line in lines if line.startswith("| ★ "))
    assert f"**{best:.{DIGITS[objective]}f}**" in starred
    assert lines.index(starred) == 4, "the best comes first"
    assert any(line.startswith(f"★: the best of 4 trials by {objective}") and "on 2 pictures" in line for line in lines)
    assert any("2 are few" in line for line in lines)
    assert (tmp_path / "summary.png").is_file()
    assert objective_of(tmp_path / "method.radius=2.123456789", "hole/psnr") == 1.0
    assert objective_of(tmp_path / "method.radius=3.123456789", "hole/psnr") is None
    assert objective_of(tmp_path, "hole/psnr") is None


@pytest.mark.usefixtures("hydra_ready")
def test_a_sweeper_that_would_look_for_the_worst_is_refused() -> None:
    def search(*overrides: str) -> Search:
        config = compose("run", ["hydra/sweeper=optuna", *overrides], return_hydra_config=True)
        assert not is_grid(config)
        return search_of(config)

    assert search().objective == "hole/lpips"
    assert search("evaluation.objective=hole/psnr", "hydra.sweeper.direction=maximize").objective == "hole/psnr"
    with pytest.raises(UnmaskError, match=r"hydra\.sweeper\.direction=minimize: higher is better for .*hole/psnr"):
        search("evaluation.objective=hole/psnr")
    with pytest.raises(UnmaskError, match=r"evaluation\.objective=beauty is not a metric"):
        search("evaluation.objective=beauty")
    ax = ("+hydra.sweeper.ax_config.experiment.minimize=false",)
    with pytest.raises(UnmaskError, match=r"ax_config\.experiment\.minimize=False: .* set .*minimize=true"):
        search(*ax)


@pytest.mark.slow
def test_optuna_chooses_by_what_jobs_return(unmask_cli: Cli, tmp_path: Path, notes: Path) -> None:
    """Three trials of two parameters on pairs with clean pictures; one trial fails, and the search goes on."""
    tree = write_pair_tree(tmp_path / "pairs", 2)
    command = (
        "-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1",
        "hydra.sweeper.sampler.seed=1", *PROBE, *QUICK, f"data.root={tree}", "evaluation.identity=false",
        "evaluation.expression=false", "evaluation.objective=hole/psnr", "hydra.sweeper.direction=maximize",
        "method.radius=choice(13,1)", "occlusion.feather=interval(0,4)",
    )  # fmt: skip
    answer = unmask_cli(*command)
    assert answer.code == 1 and "brings bad luck" in answer.out
    sweep_dir = only_sweep(tmp_path)
    table = rows(sweep_dir)
    assert len(table) == 3 and {row["method.radius"] for row in table} == {"1", "13"}
    assert all(0 <= float(row["occlusion.feather"]) <= 4 for row in table)
    done = [row for row in table if row["status"] == "complete"]
    assert done and all(row["method.radius"] == "1" for row in done)
    best = max(done, key=lambda row: float(row["hole/psnr"]))
    found = OmegaConf.load(sweep_dir / "optimization_results.yaml")
    assert found.best_value == pytest.approx(float(best["hole/psnr"]))
    assert "★" in (sweep_dir / "summary.md").read_text()
    notes.write_text("")
    assert unmask_cli(*command).code == 1
    assert {line.split()[1] for line in notes.read_text().splitlines()} == {"13.0"}, "the same trials, finished or not"
