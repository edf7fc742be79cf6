"""What the benchmarks share: turns, memory, the machine, the report."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from unmask.files import write_text

Task = Callable[[int], object]
"""Does its work so many times."""


def repeat(work: Callable[[], object]) -> Task:
    """Do `work` so many times."""

    def task(count: int) -> None:
        for _ in range(count):
            work()

    return task


def take_turns(tasks: dict[str, Task], rounds: int, iterations: int) -> dict[str, float]:
    """Seconds each task takes once: the median over rounds in which every task has its turn, after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task(1)
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task(iterations)
            seconds[name].append((time.perf_counter() - start) / iterations)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_memory_mb() -> int:
    """The most this process had resident so far, in 10^6 bytes.

    What getrusage counts includes, on Linux, the parent process at the moment this one was made.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
        return round(int(kibibytes) * 1024 / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def make_parser(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """With the options of every benchmark; `rounds` is the default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="turns every measured thing gets")
    parser.add_argument("--threads", type=int, help="of torch; its own choice if left out")
    parser.add_argument("--out", type=Path, help="write the JSON to this file too")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line's options, with torch's threads set."""
    arguments = parser.parse_args()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return arguments


def publish(report: dict[str, Any], out: Path | None) -> None:
    """Print the report, and write it to `out` if there is one."""
    text = json.dumps({"machine": machine(), **report}, indent=2)
    if out is not None:
        write_text(out, text + "\n")
    print(text)
