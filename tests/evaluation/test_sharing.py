"""Evaluations in two real processes: the same files as of one, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from helpers.command import Cli, succeed, write_pair_tree
from helpers.probe_method import BUG, ONLY_IN, SECONDS, USER_MISTAKE
from helpers.real_processes import PLAIN, TORCHRUN, finish, outcome, signal_all, start

pytestmark = pytest.mark.slow
QUICK = ("data=ffhq_cmfd", "evaluation.identity=false", "device=cpu", "progress=false", "data.root=pairs")
PROBE = ("method=inpaint", "method._target_=helpers.probe_method.Probe", "data.resolution=32", *QUICK)
PROJECTION = (
    "method=stylegan_proj", "method.w_steps=2", "method.steps=2", "method.candidates=4", "method.compile=false",
    "method.num_samples=2", "method.shrink_full=false", "data.resolution=128",
)  # fmt: skip
LATER = {"seconds_per_image", "peak_memory_mb"}
"""What metrics.json holds that is not the same twice."""


def report(run: Path) -> dict[str, Any]:
    return {key: value for key, value in json.loads((run / "metrics.json").read_text()).items() if key not in LATER}


def rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def files(run: Path) -> dict[str, bytes]:
    """Everything but what has times or names in it."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.suffix in (".png", ".safetensors")
    }


def kinds(run: Path) -> set[str]:
    return {path.name.split(".out.")[0] for path in run.iterdir()}


def curves(run: Path) -> dict[tuple[str, int], float]:
    """The means over all pictures in scalars.jsonl."""
    points = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    return {(point["tag"], point["step"]): point["value"] for point in points if point["tag"].count("/") == 1}


@pytest.mark.weights
@pytest.mark.parametrize(
    ("launcher", "method"),
    [(PLAIN, PROJECTION), (TORCHRUN, ("method=inpaint", "data.resolution=64"))],
    ids=["stylegan_proj", "inpaint by torchrun"],
)
@pytest.mark.usefixtures("one_thread")
def test_two_processes_leave_what_one_does(
    launcher: tuple[str, ...], method: tuple[str, ...], unmask_cli: Cli, tmp_path: Path
) -> None:
    write_pair_tree(tmp_path / "pairs", 5, size=64)
    (tmp_path / "pairs" / "cmfd" / "00000" / "00001_Mask.jpg").write_bytes(b"no picture")
    succeed(unmask_cli(*method, *QUICK, "hydra.run.dir=one"))
    told = finish(start(tmp_path, *method, *QUICK, "hydra.run.dir=two", "devices=2", launcher=launcher))
    one, two = tmp_path / "one", tmp_path / "two"
    assert report(one)["status"] == "complete"
    assert (report(one)["n"], [failure["id"] for failure in report(one)["failures"]]) == (4, ["00001"])
    assert report(two) == report(one)
    assert rows(two / "metrics.csv") == rows(one / "metrics.csv")
    assert [row["id"] for row in rows(two / "metrics.csv")] == ["00000", "00002", "00003", "00004"]
    assert len(files(one)) == (33 if method is PROJECTION else 13)
    assert files(two) == files(one)
    assert kinds(two) == kinds(one)
    for name in ("5 pictures used of 5", "whole/psnr"):
        assert told.count(name) == 1, "one process tells the story"
    known = curves(one)
    assert {key: value for key, value in curves(two).items() if "losses" in key[0]} == pytest.approx(
        {key: value for key, value in known.items() if "losses" in key[0]}
    )
    again = succeed(unmask_cli(*method, *QUICK, "hydra.run.dir=two"))
    assert "already complete" in again, "another number of processes asks for the same results"


def wait_for(process: subprocess.Popen[str], tables: dict[Path, int]) -> None:
    """Until the tables have so many rows."""
    for _ in range(2400):
        if all(len(rows(table)) >= count for table, count in tables.items()):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    signal_all(process, signal.SIGKILL)
    pytest.fail("no picture was finished within two minutes")


def test_killed_then_interrupted_then_finished_by_one(unmask_cli: Cli, tmp_path: Path, notes: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 12, clean=False)
    run = tmp_path / "run"
    command = (*PROBE, f"hydra.run.dir={run}")
    slowly = {SECONDS: "0.7"}

    killed = start(tmp_path, *command, "devices=2", environment=slowly)
    wait_for(killed, {run / "metrics.csv": 1, run / "metrics.1.csv": 1})
    signal_all(killed, signal.SIGKILL)
    killed.communicate()
    after_kill = {row["id"] for table in run.glob("metrics*.csv") for row in rows(table)}
    assert report(run)["status"] == "incomplete"

    interrupted = start(tmp_path, *command, "devices=2", environment=slowly)
    wait_for(interrupted, {run / "metrics.csv": len(after_kill) + 1, run / "metrics.1.csv": 1})
    signal_all(interrupted, signal.SIGINT)
    code, _, err = outcome(interrupted)
    assert code == 130, err
    assert "Traceback" not in err
    done = {row["id"] for row in rows(run / "metrics.csv")}
    assert after_kill < done
    assert len(done) < 12
    assert not (run / "metrics.1.csv").exists()
    assert f"{len(done)} finished pictures are kept" in err
    assert (report(run)["status"], report(run)["n"]) == ("incomplete", len(done))
    asked = Counter(line.split()[0] for line in notes.read_text().splitlines())
    assert {id for id, times in asked.items() if times > 1}.isdisjoint(after_kill)

    notes.write_text("")
    succeed(unmask_cli(*command))
    everyone = {f"{index:05d}" for index in range(12)}
    assert {line.split()[0] for line in notes.read_text().splitlines()} == everyone - done
    assert (report(run)["status"], report(run)["n"]) == ("complete", 12)
    succeed(unmask_cli(*PROBE, "hydra.run.dir=straight"))
    assert report(run) == report(tmp_path / "straight")
    assert files(run) == files(tmp_path / "straight")


@pytest.mark.parametrize(
    ("radius", "rank", "code", "told"),
    [
        (BUG, "1", 1, "in process 1:\nTraceback"),
        (USER_MISTAKE, "1", 2, "method.radius=13 brings bad luck"),
        (USER_MISTAKE, "0", 2, "method.radius=13 brings bad luck"),
    ],
    ids=["bug in the second", "mistake in the second", "mistake in the first"],
)
def test_an_exception_in_one_process_ends_both(
    radius: float, rank: str, code: int, told: str, tmp_path: Path, notes: Path
) -> None:
    write_pair_tree(tmp_path / "pairs", 80, clean=False)
    run = tmp_path / "run"
    process = start(
        tmp_path, *PROBE, f"method.radius={radius}", f"hydra.run.dir={run}", "devices=2",
        environment={SECONDS: "0.2", ONLY_IN: rank},
    )  # fmt: skip
    ended, _, err = outcome(process)
    assert ended == code, err
    assert err.count(told) == 1
    assert (report(run)["status"], report(run)["n"]) == ("incomplete", len(rows(run / "metrics.csv")))
    assert len(notes.read_text().splitlines()) < 40, "the other process must not do its whole share"
    assert not list(run.glob("metrics.?.csv"))


def test_torchrun_and_settings_must_agree(tmp_path: Path, notes: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 2, clean=False)
    code, _, err = outcome(start(tmp_path, *PROBE, "hydra.run.dir=run", launcher=TORCHRUN))
    assert code != 0
    assert "torchrun started 2 processes, but the run is to have one" in err
    assert not notes.read_text()
