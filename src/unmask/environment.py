"""What a run was made with: versions, commit, command line, hardware."""

from __future__ import annotations

import json
import logging
import platform
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unmask import __version__
from unmask.config_dir import CHECKOUT
from unmask.files import write_json

log = logging.getLogger(__name__)

PACKAGES = ("torch", "torchvision", "hydra-core", "numpy", "lpips", "onnxruntime", "opencv-python-headless")


CODE = ("unmask", "commit")
"""Facts that tell which code made a picture."""


def write_environment(path: Path, device: torch.device) -> None:
    """Write the facts about this process to `path` as JSON.

    What `path` says of earlier processes of the same run is kept under "earlier", first to last: they made some of the
    run's pictures. The log warns if that was with other code.
    """
    facts, earlier = facts_of_process(device), earlier_facts(path)
    if earlier and any(earlier[-1].get(name) != facts[name] for name in CODE):
        before, now = (" ".join(str(of.get(name)) for name in CODE) for of in (earlier[-1], facts))
        log.warning(
            "This run was started with other code (unmask %s; now %s). What is finished stays as it is. For results of "
            "a single version, remove %s and start again.",
            before,
            now,
            path.parent,
        )
    write_json(path, {**facts, "earlier": earlier})


def earlier_facts(path: Path) -> list[dict[str, Any]]:
    """Those of the processes that wrote `path`, first to last; none if it is not there or not readable."""
    try:
        last = json.loads(path.read_text(encoding="utf-8"))
        return [*last.pop("earlier", []), last]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError, TypeError) as error:
        log.warning("%s: what the run was started with is not known (%s).", path, error)
        return []


def facts_of_process(device: torch.device) -> dict[str, Any]:
    """Versions, commit, command line and hardware, as plain values."""
    on_gpu = device.type == "cuda"
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "directory": str(Path.cwd()),
        "unmask": __version__,
        "commit": commit(CHECKOUT),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if on_gpu else f"{device.type} ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def commit(folder: Path) -> str | None:
    """The git commit of `folder`, ``+changes`` appended where files differ from it; None without git."""
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
