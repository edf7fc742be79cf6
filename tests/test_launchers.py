"""Sweeps whose jobs run in processes of their own: the same results, and a job that dies does not take others along."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from hydra.utils import get_class
from omegaconf import DictConfig

from helpers import fake_slurm, probe_method
from helpers.command import QUICK, Answer, Cli
from helpers.probe_method import SECONDS
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.sweep.naming import register_resolvers

PROBE = ("method=inpaint", "method._target_=helpers.probe_method.Probe")
LAUNCHERS = sorted(path.stem for path in (config_dir() / "hydra" / "launcher").glob("*.yaml"))
PLUGINS = {
    "unmask_serial": "hydra._internal.core_plugins",
    "unmask_joblib": "hydra_plugins.hydra_joblib_launcher",
    "unmask_local": "hydra_plugins.hydra_submitit_launcher",
    "unmask_slurm": "hydra_plugins.hydra_submitit_launcher",
}


@pytest.fixture
def job_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Job processes find what this one finds, and do not fight over the cores."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def needs(launcher: str) -> None:
    plugin = PLUGINS[launcher]
    if importlib.util.find_spec("hydra_plugins") is None or importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")


def start(command: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    """``python -m unmask.run ARGUMENTS``, a process with a group of its own, as a terminal's jobs are."""
    words = [sys.executable, "-m", "unmask.run", *command]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words,
        cwd=folder,
        text=True,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
        # Started in the background, a shell's children ignore Ctrl-C, and theirs would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def rows(sweep_dir: Path) -> list[dict[str, str]]:
    with (sweep_dir / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def results(sweep_dir: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds_per_image"} for row in rows(sweep_dir)]


@pytest.fixture
def _hydra() -> Iterator[None]:
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield


def launcher_config(*overrides: str) -> DictConfig:
    return compose("run", list(overrides), return_hydra_config=True).hydra.launcher


def test_every_launcher_is_seen() -> None:
    assert set(LAUNCHERS) == set(PLUGINS)


@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_composes_without_its_plugin(launcher: str) -> None:
    config = launcher_config(f"hydra/launcher={launcher}")
    assert get_class(config._target_).__module__ == "hydra_plugins.unmask_launchers"
    if launcher == "unmask_serial":
        return  # it has no options
    with pytest.raises(ConfigCompositionException, match="timeuot"):
        launcher_config(f"hydra/launcher={launcher}", "hydra.launcher.timeuot=3")


@pytest.mark.parametrize("launcher", [name for name in LAUNCHERS if name != "unmask_serial"])
def test_a_missing_plugin_is_one_line(
    launcher: str, unmask_cli: Cli, masked_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = PLUGINS[launcher]
    monkeypatch.setitem(sys.modules, f"{module}.{module.rsplit('.hydra_', 1)[-1]}", None)
    answer = unmask_cli("-m", *PROBE, *QUICK, f"data.root={masked_tree}", f"hydra/launcher={launcher}")
    assert answer.code == 2
    extra = "joblib" if launcher == "unmask_joblib" else "slurm"
    assert f"pip install 'unmask[{extra}]'" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("notes", "job_processes")
@pytest.mark.parametrize("launcher", ["unmask_local", "unmask_joblib"])
def test_the_same_sweep_whatever_runs_its_jobs(
    launcher: str, unmask_cli: Cli, masked_tree: Path, tmp_path: Path
) -> None:
    needs(launcher)
    sweep = ("experiment=study/lambda_sweep", PROBE[1], "method.lambda_perceptual=0.8,10")
    command = (*sweep, *QUICK, "data.root=masked_tree", "data.limit=2")
    answer = finish(start((*command, f"hydra/launcher={launcher}"), tmp_path))
    assert answer.code == 0, answer.err
    (sweep_dir,) = (tmp_path / "outputs").iterdir()
    assert [row["status"] for row in rows(sweep_dir)] == ["complete", "complete"]
    assert f"{sweep_dir / 'summary.md'}" in answer.out

    assert unmask_cli(*command, "hydra.sweep.dir=basic").code == 0
    assert results(tmp_path / "basic") == results(sweep_dir)


@pytest.mark.slow
@pytest.mark.usefixtures("job_processes")
def test_a_job_killed_on_slurm_is_told_by_the_summary(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("unmask_slurm")
    from submitit import Job

    fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", str(tmp_path / "slurm"), prepend=os.pathsep)
    monkeypatch.setattr(Job, "_results_timeout_s", 1)  # how long a slow file system may take
    answer = unmask_cli(
        *("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "data.limit=2", "method.radius=15,14,1"),
        *("hydra/launcher=unmask_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.array_parallelism=2"),
        *("hydra.launcher.setup=['module load anything || true']", "hydra.sweep.dir=sweep"),
    )
    assert answer.code == 1, answer.err
    table = rows(tmp_path / "sweep")
    assert [row["status"] for row in table] == ["complete", "failed", "failed"], [row["reason"] for row in table]
    assert "the programmer's fault" in table[1]["reason"]
    assert "OUT_OF_MEMORY" in table[2]["reason"]
    logs = Path(table[2]["reason"].rsplit(" ", 1)[-1])
    assert logs.parent == tmp_path / "sweep" / ".submitit"
    assert any(logs.glob("*.pkl"))
    assert table[2]["reason"] in (tmp_path / "sweep" / "summary.md").read_text()
    assert "2 of 3 jobs did not finish" in answer.err
    assert "Traceback" not in answer.err + answer.out
    script = (tmp_path / "slurm" / "script.sh").read_text()
    for line in ("--partition=gpu", "--array=0-2%2", "--time=240", "--mem=16GB", "--gpus-per-node=1"):
        assert f"#SBATCH {line}\n" in script
    assert "\nmodule load anything || true\n" in script


@pytest.mark.usefixtures("notes")
def test_a_machine_without_slurm_is_one_line(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("unmask_slurm")
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = unmask_cli("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "hydra/launcher=unmask_slurm")
    assert answer.code == 2
    assert "srun" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("job_processes")
def test_a_job_killed_in_a_pool_does_not_take_the_others_along(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("unmask_joblib")
    command = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "method.radius=15,1", "hydra.sweep.dir=sweep")
    answer = finish(start((*command, "hydra/launcher=unmask_joblib"), tmp_path))
    assert answer.code == 1, answer.err
    table = rows(tmp_path / "sweep")
    assert [(row["method.radius"], row["status"]) for row in table] == [
        ("1", "complete"), ("15", "failed"),
    ]  # fmt: skip
    assert "killed" in table[1]["reason"]
    assert "1 of 2 jobs did not finish" in answer.err
    assert "Traceback" not in answer.err + answer.out

    notes.write_text("")
    monkeypatch.setattr(probe_method, "KILLED", None)
    assert unmask_cli(*command, "hydra/launcher=basic").code == 0
    assert {line.split()[1] for line in notes.read_text().splitlines()} == {"15.0"}
    assert [row["status"] for row in rows(tmp_path / "sweep")] == ["complete", "complete"]


@pytest.mark.slow
@pytest.mark.usefixtures("job_processes")
@pytest.mark.parametrize("launcher", ["unmask_local", "unmask_joblib"])
def test_ctrl_c_ends_the_jobs_too(
    launcher: str, masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(launcher)
    monkeypatch.setenv(SECONDS, "1")
    command = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "method.radius=1,2", f"hydra/launcher={launcher}")
    process = start(command, tmp_path)
    deadline = time.monotonic() + 60
    while len(notes.read_text().splitlines()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    answer = finish(process)
    assert answer.code == 130, answer.err
    assert "same command" in answer.err
    asked = notes.read_text()
    time.sleep(2)
    assert notes.read_text() == asked
