"""A real Slurm of one node without accounts, as small groups have it; for tests, where its programs are installed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
SETTINGS = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why none can be started here."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no Slurm here ({', '.join(missing)})"
    return None if os.geteuid() == 0 else "only root can start a Slurm"


def start(folder: Path) -> Path | None:
    """Start one; the path of its slurm.conf, which belongs into $SLURM_CONF, or None where it does not come up."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    settings = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    settings.write_text(SETTINGS.format(host=host, folder=folder, ports=free_ports()))
    environment = os.environ | {"SLURM_CONF": str(settings)}
    files = {"key-file": key} | {
        option: folder / name
        for option, name in {
            "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munge.seed",
        }.items()
    }  # fmt: skip
    munge = ["munged", "--force", *(word for option, path in files.items() for word in (f"--{option}", path))]
    for command in (munge, ["slurmctld", "-f", settings], ["slurmd", "-f", settings]):
        subprocess.run(command, env=environment, capture_output=True, timeout=30)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True)
        if "idle" in told.stdout:
            return settings
        time.sleep(0.2)
    return None


def stop(folder: Path) -> None:
    """End its daemons; jobs must have ended."""
    for name in ("slurmd", "slurmctld", "munged"):
        with suppress(OSError, ValueError):
            os.kill(int((folder / f"{name}.pid").read_text()), signal.SIGTERM)


def free_ports() -> tuple[int, int]:
    """Two ports that nobody uses."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
