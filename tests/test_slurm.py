"""Sweeps on Slurm: what becomes of jobs is known and told, whichever of its programs has an answer."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import real_slurm
from helpers.command import QUICK, Cli
from helpers.probe_method import SECONDS
from test_launchers import PROBE, finish, job_processes, needs, rows, start
from unmask.sweep import slurm_states
from unmask.sweep.slurm_states import FORGOTTEN_AFTER_S, GONE, GONE_AFTER_S, QuietWatcher, from_lines, from_scontrol

__all__ = ["job_processes"]  # a fixture

SMALL = (
    "hydra/launcher=unmask_slurm",
    "hydra.launcher.gpus_per_node=null",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.mem_gb=1",
    "hydra.launcher.timeout_min=10",
)


def test_what_squeue_and_scontrol_print() -> None:
    assert from_lines("7_0|RUNNING\n7_1|CANCELLED\n\nnonsense\n") == {"7_0": "RUNNING", "7_1": "CANCELLED"}
    assert from_scontrol("JobId=8 ArrayJobId=7 JobName=x JobState=CANCELLED Reason=None") == "CANCELLED"
    assert from_scontrol("") is None


class Programs:
    """Answers of sacct, squeue and scontrol."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []
        monkeypatch.setattr(slurm_states, "answer", self.answer)

    def answer(self, command: list[str]) -> str:
        self.asked.append(command[0])
        return self.answers.get(command[0], "")


def state(watcher: QuietWatcher, job_id: str) -> str:
    watcher.update()
    return watcher.get_state(job_id, mode="cache")


def test_accounts_are_asked_first_and_alone_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(monkeypatch, sacct="JobID|State|NodeList\n7_0|CANCELLED by 0|here\n7_0.batch|CANCELLED|here\n")
    watcher = QuietWatcher()
    watcher.register_job("7_0")
    assert state(watcher, "7_0") == "CANCELLED by 0"
    assert watcher.is_done("7_0", mode="cache")
    assert programs.asked == ["sacct"]
    watcher.update()
    assert programs.asked == ["sacct"], "nobody asks after jobs that have ended"


def test_without_accounts_squeue_tells_and_then_scontrol(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(monkeypatch, squeue="7_0|RUNNING\n")
    watcher = QuietWatcher()
    watcher.register_job("7_0")
    for told, done in (
        ("PENDING", False), ("CONFIGURING", False), ("SUSPENDED", False), ("REQUEUED", False), ("PREEMPTED", False),
        ("COMPLETING", False), ("RUNNING", False), ("OUT_OF_MEMORY", True),
    ):  # fmt: skip
        programs.answers["squeue"] = f"7_0|{told}\n"
        assert state(watcher, "7_0") == told
        assert watcher.is_done("7_0", mode="cache") == done
    programs.answers = {"scontrol": "JobId=7 JobState=TIMEOUT"}
    watcher.register_job("7_1")
    assert state(watcher, "7_1") == "TIMEOUT"


def test_an_element_cancelled_while_it_waited_is_forgotten_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    Programs(monkeypatch, squeue="7_0|RUNNING\n")
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watcher = QuietWatcher()
    watcher.register_job("7_0")
    watcher.register_job("7_1")
    assert state(watcher, "7_1") == "UNKNOWN"
    now[0] = FORGOTTEN_AFTER_S
    assert (state(watcher, "7_1"), watcher.get_state("7_0", mode="cache")) == (GONE, "RUNNING")


def test_a_job_that_nobody_knows_is_gone_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watcher = QuietWatcher()
    watcher.register_job("7_0")
    assert state(watcher, "7_0") == "UNKNOWN"
    now[0] = GONE_AFTER_S - 1
    assert state(watcher, "7_0") == "UNKNOWN"
    programs.answers["squeue"] = "7_0|RUNNING\n"  # the controller was only away
    assert state(watcher, "7_0") == "RUNNING"
    programs.answers = {}
    assert state(watcher, "7_0") == "UNKNOWN"
    now[0] += GONE_AFTER_S
    assert state(watcher, "7_0") == GONE
    assert watcher.is_done("7_0", mode="cache")


def test_programs_that_fail_or_are_missing_have_no_answer() -> None:
    assert slurm_states.answer(["/nonexistent/sacct"]) == ""
    assert slurm_states.answer(["false"]) == ""
    assert slurm_states.answer(["echo", "x"]) == "x\n"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Path]:
    """A real one; its folder's path is short, for sockets have no long names."""
    reason = real_slurm.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    settings = real_slurm.start(folder)
    try:
        if settings is None:
            pytest.skip(f"Slurm does not come up here, see {folder}")
        before, os.environ["SLURM_CONF"] = os.environ.get("SLURM_CONF"), str(settings)
        yield settings
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        del os.environ["SLURM_CONF"]
        if before is not None:
            os.environ["SLURM_CONF"] = before
    finally:
        real_slurm.stop(folder)


def states() -> dict[str, str]:
    return from_lines(slurm_states.answer(["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T"]))


def wait_until(told: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not told():
        assert time.monotonic() < deadline, states()
        time.sleep(0.1)


def wait_for(notes: Path, *values: str) -> None:
    """Until the jobs with these values work on a picture."""
    wait_until(lambda: {*values} <= {line.split()[1] for line in notes.read_text().splitlines()})


@pytest.mark.slow
@pytest.mark.usefixtures("slurm", "job_processes")
def test_every_fate_of_a_job_is_told(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done, killed, cancelled, and put back into the queue by hand, which is no end."""
    needs("unmask_slurm")
    from submitit import Job

    monkeypatch.setenv(SECONDS, "8")
    monkeypatch.setattr(Job, "_results_timeout_s", 1)  # how long a slow file system may take

    def interfere() -> None:
        wait_until(lambda: len(states()) > 0)
        array = next(iter(states())).split("_")[0]
        for value, command in (("2.0", ["scancel", f"{array}_1"]), ("3.0", ["scontrol", "requeue", f"{array}_2"])):
            wait_for(notes, value)
            subprocess.run(command, check=True)
        wait_until(lambda: states()[f"{array}_2"] == "PENDING")
        # Slurm lets a job that was put back wait for two minutes.
        subprocess.run(["scontrol", "update", f"JobId={array}_2", "StartTime=now"], check=True)

    sweep = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "data.limit=1", "method.radius=1,2,3,15")
    with ThreadPoolExecutor() as others:
        interference = others.submit(interfere)
        answer = unmask_cli(*sweep, *SMALL, "hydra.sweep.dir=sweep")
        interference.result()
    assert answer.code == 1, answer.err
    table = rows(tmp_path / "sweep")
    assert [(row["method.radius"], row["status"]) for row in table] == [
        ("1", "complete"), ("2", "failed"), ("3", "complete"), ("15", "failed"),
    ], table  # fmt: skip
    assert "CANCELLED" in table[1]["reason"] and "FAILED" in table[3]["reason"]
    for noise in ("accounting", "sacct", "Traceback", "Bypassing"):
        assert noise not in answer.out + answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("slurm", "job_processes")
def test_ctrl_c_leaves_the_jobs_to_the_cluster(
    masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("unmask_slurm")
    monkeypatch.setenv(SECONDS, "30")
    sweep = ("-m", *PROBE, *QUICK, f"data.root={masked_tree}", "data.limit=1", "method.radius=4", *SMALL)
    process = start((*sweep, "hydra.sweep.dir=again"), tmp_path)
    wait_for(notes, "4.0")
    os.killpg(process.pid, signal.SIGINT)
    answer = finish(process)
    assert answer.code == 130, answer.err
    (running,) = (job for job, told in states().items() if told == "RUNNING")
    array = running.split("_")[0]
    assert f"1 jobs keep running ({running}): `squeue -j {array}` shows them, `scancel {array}` ends them" in answer.err
    subprocess.run(["scancel", array], check=True)
