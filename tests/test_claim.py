"""A directory belongs to one program at a time, and to nobody once that has gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.claim import GONE_AFTER_S, LOCK, NOTE, InUseError, claimed

HOLD = """
import sys, time
from pathlib import Path
from unmask.claim import claimed
with claimed(Path(sys.argv[1]), wait=False):
    print("mine", flush=True)
    time.sleep(60)
"""


def write_note(folder: Path, *, host: str, age_s: float, job: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    (folder / NOTE).write_text(json.dumps({"pid": 7, "host": host, "since": "noon", "command": "x", "job": job}))
    then = time.time() - age_s
    os.utime(folder / NOTE, (then, then))


def test_the_second_is_told_who_is_there(tmp_path: Path) -> None:
    with claimed(tmp_path, wait=False):
        with (
            pytest.raises(InUseError, match=rf"in use by process {os.getpid()}, begun at .*wait=true"),
            claimed(tmp_path, wait=False),
        ):
            pass
        assert (tmp_path / NOTE).is_file(), "the second must not take the first's note away"
    assert not (tmp_path / NOTE).exists()
    with claimed(tmp_path, wait=False):
        pass


def test_an_error_gives_the_directory_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed(tmp_path, wait=False):
        raise RuntimeError
    with claimed(tmp_path, wait=False):
        pass


def test_waiting_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.claim.LOOK_S", 0.01)
    order = []
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with claimed(tmp_path, wait=False):
            entered.set()
            leave.wait(30)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(30)
    threading.Timer(0.05, leave.set).start()
    with claimed(tmp_path, wait=True):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_killed_process_leaves_nothing_that_blocks(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    with pytest.raises(InUseError, match=f"process {process.pid}"), claimed(tmp_path, wait=False):
        pass
    process.kill()
    process.communicate()
    assert (tmp_path / NOTE).is_file()
    with claimed(tmp_path, wait=False):
        pass


def test_another_machine_whose_lock_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_note(tmp_path, host="elsewhere", age_s=GONE_AFTER_S / 2, job="12")
    with pytest.raises(InUseError, match="process 7 on elsewhere, begun at noon"), claimed(tmp_path, wait=False):
        pass
    monkeypatch.setenv("SLURM_JOB_ID", "12")  # begun again by the cluster
    with claimed(tmp_path, wait=False):
        pass
    monkeypatch.delenv("SLURM_JOB_ID")
    write_note(tmp_path, host="elsewhere", age_s=2 * GONE_AFTER_S)
    with claimed(tmp_path, wait=False):
        assert json.loads((tmp_path / NOTE).read_text())["host"] == socket.gethostname()


def test_a_note_that_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text("{")
    with claimed(tmp_path, wait=False):
        pass


def test_the_note_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.claim.TOUCHED_EVERY_S", 0.01)
    with claimed(tmp_path, wait=False):
        os.utime(tmp_path / NOTE, (0, 0))
        deadline = time.monotonic() + 30
        while (tmp_path / NOTE).stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / NOTE).stat().st_mtime > 0


@pytest.mark.parametrize("sweep", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["run", "sweep"])
def test_two_commands_in_one_directory(sweep: bool, unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 2)
    where = ("-m", "seed=0,1", "hydra.sweep.dir=out") if sweep else ("hydra.run.dir=out",)
    command = (*where, "method=copy", "data.root=pairs", *QUICK)
    with claimed(tmp_path / "out", wait=False):
        answer = unmask_cli(*command)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert "is in use by process" in answer.err
    assert not (tmp_path / "out" / "metrics.csv").exists() and not (tmp_path / "out" / "summary.csv").exists()
    assert unmask_cli(*command).code == 0
    assert {path.name for path in (tmp_path / "out").glob(".running*")} <= {LOCK}


@pytest.mark.slow
def test_a_sweep_s_job_that_someone_else_runs(unmask_cli: Cli, tmp_path: Path) -> None:
    """It is listed as not finished, and the other's directory is left alone."""
    write_pair_tree(tmp_path / "pairs", 1)
    command = ("-m", "method=copy", "data.root=pairs", *QUICK, "seed=0,1", "hydra.sweep.dir=out")
    with claimed(tmp_path / "out" / "seed=1", wait=False):
        answer = unmask_cli(*command)
    assert answer.code == 1
    assert "is in use by process" in answer.out
    assert not (tmp_path / "out" / "seed=1" / "failed.json").exists()
    assert (tmp_path / "out" / "seed=0" / "metrics.json").is_file()
    assert unmask_cli(*command).code == 0
