"""A directory belongs to one program at a time, on this machine and on others that share the disk.

On one machine a lock of the operating system says so, which ends with the process, however it ends. Such a lock may not
reach other machines, so a note beside it says who is there and is touched again and again; one that no longer is, is of
a program that is no more.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from unmask.errors import UnmaskError
from unmask.files import write_json

log = logging.getLogger(__name__)

LOCK, NOTE = ".running.lock", ".running.json"
TOUCHED_EVERY_S = 20.0
GONE_AFTER_S = 120.0
"""A note of another machine that was not touched for so long is of a program that is no more."""
LOOK_S = 1.0


class InUseError(UnmaskError):
    """Another program works in the directory."""


@contextmanager
def claimed(folder: Path, *, wait: bool) -> Iterator[None]:
    """Keep `folder`, which is made, for this process until the block ends.

    Args:
        wait: for another program that has it, instead of raising.

    Raises:
        InUseError: another program has it; the message says which, and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    told = False
    while (other := _take(lock, folder)) is not None:
        if not wait:
            raise InUseError(
                f"{folder} is in use by {_described(other)}. Wait until it ends (wait=true does that), or choose "
                f"another hydra.run.dir. (A program that died without a word is forgotten after {GONE_AFTER_S:.0f} s.)"
            )
        if not told:
            log.info("%s is in use by %s: waiting", folder, _described(other))
            told = True
        time.sleep(LOOK_S)
    stop = threading.Event()
    toucher = threading.Thread(target=_keep_touching, args=(folder / NOTE, stop), daemon=True)
    toucher.start()
    try:
        yield
    finally:
        stop.set()
        toucher.join()
        (folder / NOTE).unlink(missing_ok=True)
        lock.release()


def _take(lock: FileLock, folder: Path) -> dict[str, Any] | None:
    """Take the lock and leave the note; or say who has the folder."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _read(folder / NOTE)
    except (NotImplementedError, OSError) as error:  # a file system without locks: the note alone must do
        log.debug("no lock in %s: %s", folder, error)
    other = _read(folder / NOTE)
    if other and _lives(other, folder / NOTE):
        lock.release()
        return other
    write_json(folder / NOTE, _own_note())
    return None


def _own_note() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join(sys.argv),
        "job": os.environ.get("SLURM_JOB_ID"),
    }


def _lives(other: dict[str, Any], note: Path) -> bool:
    """Whether a program that we could not see by its lock may still be there."""
    if other.get("host") == socket.gethostname():
        return False  # its lock would have told
    job = other.get("job")
    if job is not None and job == os.environ.get("SLURM_JOB_ID"):
        return False  # this very job, begun again on another machine
    probe = note.with_name(f"{note.name}.{os.getpid()}")
    probe.touch()  # what time it is for the disk
    try:
        return probe.stat().st_mtime - note.stat().st_mtime < GONE_AFTER_S
    except FileNotFoundError:
        return False
    finally:
        probe.unlink()


def _read(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _described(other: dict[str, Any]) -> str:
    if not other:
        return "another process"
    where = "" if other.get("host") == socket.gethostname() else f" on {other.get('host')}"
    return f"process {other.get('pid')}{where}, begun at {other.get('since')}"


def _keep_touching(note: Path, stop: threading.Event) -> None:
    while not stop.wait(TOUCHED_EVERY_S):
        try:
            os.utime(note)
        except OSError as error:  # a disk that is away for a moment
            log.debug("%s cannot be touched: %s", note, error)
