"""What a run was made with: versions, commit, command line, hardware."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch

from unmask import __version__
from unmask.config_dir import CHECKOUT
from unmask.files import write_text

PACKAGES = ("torch", "torchvision", "hydra-core", "numpy", "lpips", "onnxruntime", "opencv-python-headless")


def write_environment(path: Path, device: torch.device) -> None:
    """Write the facts about this process to `path` as JSON."""
    on_gpu = device.type == "cuda"
    facts = {
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
    write_text(path, json.dumps(facts, indent=2) + "\n")


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
