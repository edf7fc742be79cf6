"""The command in processes of its own, one or several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PLAIN = ("-m",)
"""With devices=2, Fabric starts the other process."""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")


def start(
    folder: Path, *arguments: str, launcher: tuple[str, ...] = PLAIN, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """``python -m unmask.run`` from `folder`, in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, *launcher, "unmask.run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **(environment or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # Started in the background, a shell's children ignore Ctrl-C, and theirs would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for it: exit code, stdout, stderr."""
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a good end; stdout."""
    code, out, err = outcome(process)
    assert code == 0, err
    return out


def signal_all(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """As the terminal does with Ctrl-C: to the process and all that it started."""
    os.killpg(process.pid, number)
