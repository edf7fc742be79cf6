"""Means over the pictures with their intervals: what metrics.json holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unmask.faces import Doubt, Failure
from unmask.results.bootstrap import mean_interval
from unmask.results.catalogue import ADDED_LATER, ALL_NAMES
from unmask.results.records import PictureRecord

NOTHING_FINISHED = "no picture was finished"


@dataclass(frozen=True)
class MetricSummary:
    """A metric over the pictures.

    Attributes:
        mean: over the `n` pictures that have a value; None where none has.
        ci95: low and high limit of the 95 % bootstrap interval of the mean.
        n: how many pictures have a value.
        reason: why pictures are missing, counted; None where none is.
    """

    mean: float | None
    ci95: tuple[float, float] | None
    n: int
    reason: str | None = None


@dataclass(frozen=True)
class RunInfo:
    """What the evaluation writes down about the run without understanding it.

    Attributes:
        method: the method's name.
        seed: of the run; also seeds the bootstrap.
        config_hash: fingerprint of everything that decides the pictures: an interrupted evaluation goes on
        only
            if it is the same.
        resolution: height and width of the pictures, in pixels.
        settings: nested configuration for TensorBoard.
        asked: the overrides that the run was started with.
    """

    method: str
    seed: int
    config_hash: str
    resolution: int
    settings: Mapping[str, Any]
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationResult:
    """The content of metrics.json.

    Attributes:
        run: see `RunInfo`.
        complete: whether every picture was tried.
        n: how many pictures were finished.
        seconds_per_image: mean wall time of the method alone, each picture's in its own process: with several
            processes the pictures together took less; None where no picture was finished. Compiling is not in it.
        seconds_compiling: wall time of torch.compile in this start of the run; 0 where nothing was compiled.
        peak_memory_mb: most memory a process held (on CUDA: most that torch allocated there), in 2^20 bytes; None
            where the system does not say.
        metrics: a summary for every name of `ALL_NAMES`.
        failures: pictures that were not finished, and why.
        doubts: finished pictures whose occlusion may be wrong, and why; "warnings" in metrics.json.
        grown: id -> pixels of the face mask that were found beyond its map, where there were any.
    """

    run: RunInfo
    complete: bool
    n: int
    seconds_per_image: float | None
    peak_memory_mb: float | None
    metrics: Mapping[str, MetricSummary]
    failures: tuple[Failure, ...]
    doubts: tuple[Doubt, ...] = ()
    grown: Mapping[str, int] = field(default_factory=dict)
    seconds_compiling: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """metrics.json as plain data; a metric that lacks pictures also has "n" and "reason"."""
        return {
            "status": "complete" if self.complete else "incomplete",
            "method": self.run.method,
            "n": self.n,
            "seed": self.run.seed,
            "resolution": self.run.resolution,
            "seconds_per_image": self.seconds_per_image,
            "seconds_compiling": self.seconds_compiling,
            "peak_memory_mb": self.peak_memory_mb,
            "metrics": {name: _metric_json(summary) for name, summary in self.metrics.items()},
            "failures": [{"id": failure.id, "reason": failure.reason} for failure in self.failures],
            "warnings": [{"id": doubt.id, "reason": doubt.reason} for doubt in self.doubts],
            "grown": dict(self.grown),
            "config_hash": self.run.config_hash,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> EvaluationResult:
        """The inverse of `to_json`; the run's settings are not in there and come back empty.

        Metrics that an older version did not know have no mean.

        Raises:
            KeyError, TypeError, ValueError: it is of another shape.
        """
        later = dict.fromkeys(ALL_NAMES, MetricSummary(None, None, 0, ADDED_LATER))
        run = RunInfo(plain["method"], plain["seed"], plain["config_hash"], plain["resolution"], {})
        return cls(
            run,
            plain["status"] == "complete",
            plain["n"],
            _number(plain["seconds_per_image"]),
            _number(plain["peak_memory_mb"]),
            later | {name: _metric_from_json(entry, plain["n"]) for name, entry in plain["metrics"].items()},
            tuple(Failure(failure["id"], failure["reason"]) for failure in plain["failures"]),
            tuple(Doubt(doubt["id"], doubt["reason"]) for doubt in plain.get("warnings", ())),
            plain.get("grown", {}),
            plain.get("seconds_compiling", 0.0),
        )


def summarise(
    run: RunInfo,
    records: Sequence[PictureRecord],
    failures: Sequence[Failure],
    *,
    complete: bool,
    bootstrap_samples: int,
    peak_memory_mb: float | None,
    seconds_compiling: float = 0.0,
) -> EvaluationResult:
    """Means and intervals over the records of the finished pictures."""
    return EvaluationResult(
        run=run,
        complete=complete,
        n=len(records),
        seconds_per_image=float(np.mean([record.seconds for record in records])) if records else None,
        peak_memory_mb=peak_memory_mb,
        metrics={name: summarise_metric(name, records, bootstrap_samples, run.seed) for name in ALL_NAMES},
        failures=tuple(failures),
        doubts=tuple(Doubt(record.id, record.doubt) for record in records if record.doubt is not None),
        grown={record.id: record.grown for record in records if record.grown},
        seconds_compiling=seconds_compiling,
    )


def summarise_metric(name: str, records: Sequence[PictureRecord], samples: int, seed: int) -> MetricSummary:
    """The mean of metric `name` over the records that have a value, with its interval and what is missing."""
    measured = [record.measurements[name] for record in records]
    values = [one.value for one in measured if one.value is not None]
    reasons = Counter(one.reason for one in measured if one.reason is not None)
    if not measured:
        return MetricSummary(None, None, 0, NOTHING_FINISHED)
    if len(reasons) == 1 and not values:
        return MetricSummary(None, None, 0, next(iter(reasons)))
    reason = "; ".join(f"{count} of {len(measured)} pictures: {why}" for why, count in reasons.items()) or None
    if not values:
        return MetricSummary(None, None, 0, reason)
    interval = mean_interval(values, samples=samples, seed=seed)
    return MetricSummary(interval.mean, (interval.low, interval.high), len(values), reason)


def _number(value: Any) -> float | None:
    if value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return value


def _metric_json(summary: MetricSummary) -> dict[str, Any]:
    plain: dict[str, Any] = {"mean": summary.mean, "ci95": list(summary.ci95) if summary.ci95 else None}
    if summary.reason is not None:
        plain |= {"n": summary.n, "reason": summary.reason}
    return plain


def _metric_from_json(entry: Mapping[str, Any], pictures: int) -> MetricSummary:
    ci95 = (entry["ci95"][0], entry["ci95"][1]) if entry["ci95"] else None
    return MetricSummary(entry["mean"], ci95, entry.get("n", pictures), entry.get("reason"))
