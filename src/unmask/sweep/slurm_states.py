"""What becomes of Slurm jobs, told by whichever of Slurm's programs knows, without a word on the terminal.

submitit asks sacct alone. Small clusters keep no accounts: there every question prints three lines and has no answer,
and a job that was cancelled is waited for without end. squeue knows jobs until some minutes after their end, scontrol
too; a job that none of them knows any more, and that left no result, is gone.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Sequence

from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

log = logging.getLogger(__name__)

GONE = "GONE"
"""Our own state of a job that Slurm no longer knows."""
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", GONE)
"""States from which no job comes back by itself (squeue's manual, "Job state codes", Slurm 22.05)."""
GONE_AFTER_S = 120.0
"""How long nobody knows a job before it is taken for gone: the controller may be away, or has not heard of it yet."""
FORGOTTEN_AFTER_S = 10.0
"""The same where its siblings are known: an element of an array that was cancelled while it waited is not kept."""
ASKED_EVERY_S = 30
"""At most; in the beginning every two seconds."""
PATIENCE_S = 60


class QuietWatcher(SlurmInfoWatcher):
    """Asks sacct, then squeue, then scontrol; one question for all jobs of an array."""

    def __init__(self, delay_s: int = ASKED_EVERY_S) -> None:
        super().__init__(delay_s=delay_s)
        self._unknown_since: dict[str, float] = {}

    def update(self) -> None:
        """See `submitit.core.core.InfoWatcher.update`."""
        waiting = sorted(self._registered - self._finished)
        self._last_status_check = time.time()
        if not waiting:
            return
        self._num_calls += 1
        arrays = ",".join(sorted({job_id.split("_")[0] for job_id in waiting}))
        states = self._from_sacct(arrays)
        if not states.keys() >= set(waiting):
            states |= from_lines(answer(["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T", "-j", arrays]))
        for job_id in waiting:
            state = states.get(job_id) or from_scontrol(answer(["scontrol", "-o", "show", "job", job_id]))
            if state is None:
                since = self._unknown_since.setdefault(job_id, time.monotonic())
                patience = FORGOTTEN_AFTER_S if states else GONE_AFTER_S
                state = GONE if time.monotonic() - since >= patience else "UNKNOWN"
            else:
                self._unknown_since.pop(job_id, None)
            self._info_dict[job_id] = {"JobID": job_id, "State": state}
            if self.is_done(job_id, mode="cache"):
                self._finished.add(job_id)

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        """Whether the job has ended; being put back into the queue, by hand too, is no end."""
        return self.get_state(job_id, mode=mode).upper().startswith(ENDED)

    def _from_sacct(self, arrays: str) -> dict[str, str]:
        told = answer(["sacct", "-o", "JobID,State,NodeList", "--parsable2", "-j", arrays])
        return {job_id: facts["State"] for job_id, facts in self.read_info(told).items() if facts.get("State")}


def watch_quietly() -> None:
    """Let submitit's Slurm jobs be watched so; before they are submitted."""
    SlurmJob.watcher = QuietWatcher()


def answer(command: Sequence[str]) -> str:
    """What a program prints; nothing where it fails, is missing or does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.debug("%s: %s", command[0], error)
        return ""
    if done.returncode != 0:
        log.debug("%s: %s", command[0], done.stderr.strip())
    return done.stdout if done.returncode == 0 else ""


def from_lines(text: str) -> dict[str, str]:
    """``7_0|RUNNING`` -> state by job."""
    pairs = (line.strip().split("|") for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[1]}


def from_scontrol(text: str) -> str | None:
    """The state in a line of ``scontrol -o show job``."""
    for word in text.split():
        if word.startswith("JobState="):
            return word.removeprefix("JobState=")
    return None
