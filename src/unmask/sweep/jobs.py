"""What the jobs of a sweep left in their directories."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from unmask.files import write_text
from unmask.results.layout import FAILURE_FILE, if_there_is_room, read_report, record_failure

log = logging.getLogger(__name__)

OVERRIDES_FILE = ".hydra/overrides.yaml"
HYDRA_FILE = ".hydra/hydra.yaml"
"""Written by Hydra when a job starts."""


@dataclass(frozen=True)
class Metric:
    """A mean over the pictures with its 95 % interval; the unit is the metric's own."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        name: its directory below the sweep's.
        number: when it was started, from 0; that of its last start.
        values: the swept keys' values, as typed.
        complete: every picture is done or is listed as failed.
        reason: why it is not complete; empty when it is.
        report: its metrics.json, empty where there is none.
        metrics: those that could be computed, by name.
    """

    name: str
    number: int
    values: dict[str, str]
    complete: bool
    reason: str
    report: dict[str, Any]
    metrics: dict[str, Metric]


def objective_of(run_dir: Path, metric: str) -> float | None:
    """The mean of `metric` in `run_dir`, what a job returns to its sweeper; None where it has no value, which is a
    failed trial to Optuna."""
    mean = read_report(run_dir).get("metrics", {}).get(metric, {}).get("mean")
    return None if mean is None else float(mean)


def record_death(run_dir: Path, overrides: list[str], reason: str) -> None:
    """Leave a note about a job whose process ended without one, unless it was complete by then.

    A job that died early, or never started, gets a directory that `read_jobs` sees.
    """
    if read_report(run_dir).get("status") == "complete":
        return
    with if_there_is_room(run_dir):
        if not given_overrides(run_dir):
            write_text(run_dir / OVERRIDES_FILE, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    record_failure(run_dir, reason)


def job_folders(sweep_dir: Path) -> list[Path]:
    """Those below `sweep_dir`."""
    return sorted(path.parents[1] for path in sweep_dir.glob(f"*/{OVERRIDES_FILE}"))


def given_overrides(folder: Path) -> list[str]:
    """The overrides of the job in `folder`; none where the list is missing or was cut short by a full disk."""
    try:
        return [str(line) for line in OmegaConf.load(folder / OVERRIDES_FILE)]
    except (OSError, yaml.YAMLError):
        return []


def read_jobs(sweep_dir: Path, keys: list[str]) -> list[Job]:
    """Every job below `sweep_dir`, sorted by the values of `keys`, numbers by size."""
    folders = job_folders(sweep_dir)
    jobs = [_read_job(folder, keys) for folder in folders]
    return sorted(jobs, key=lambda job: ([_order(job.values.get(key, "")) for key in keys], job.name))


def number(text: str) -> float | None:
    """`text` as a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_job(folder: Path, keys: list[str]) -> Job:
    lines = given_overrides(folder)
    given = {override.get_key_element(): override for override in OverridesParser.create().parse_overrides(lines)}
    values = {key: given[key].get_value_element_as_str() for key in keys if key in given}
    report = read_report(folder)
    failure = folder / FAILURE_FILE
    reason = ""
    if failure.is_file():
        reason = json.loads(failure.read_text(encoding="utf-8"))["reason"]
    elif report.get("status") != "complete":
        reason = "interrupted before all pictures were done"
    metrics = {
        name: Metric(entry["mean"], *entry["ci95"])
        for name, entry in report.get("metrics", {}).items()
        if entry["mean"] is not None and entry["ci95"] is not None
    }
    return Job(folder.name, _number(folder), values, not reason, reason, report, metrics)


def _number(folder: Path) -> int:
    try:
        return int(OmegaConf.select(OmegaConf.load(folder / HYDRA_FILE), "hydra.job.num", default=0))
    except (OSError, yaml.YAMLError, ValueError, TypeError):
        return 0  # it never started, or a full disk cut the file short


def _order(text: str) -> tuple[int, float, str]:
    value = number(text)
    return (1, 0.0, text) if value is None else (0, value, text)
