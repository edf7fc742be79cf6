"""Runs measured on the same pictures, and which of them can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unmask.config import floors
from unmask.results.bootstrap import Interval, mean_interval
from unmask.results.catalogue import ALL_NAMES, HIGHER_IS_BETTER, best_mean
from unmask.results.read import FinishedRun
from unmask.results.records import PictureRecord
from unmask.results.summary import MetricSummary, summarise_metric

BOOTSTRAP_SAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Entry:
    """One metric of one run.

    Attributes:
        summary: its mean over the compared pictures, with its interval.
        best: whether no other run has a better mean; False for floors, and for all where all means are alike.
        difference: mean over the pictures that both have of this run's value minus the best run's, with its 95 %
            paired-bootstrap interval; None where there is no best or no such picture.
        indistinguishable: not the best and no floor, but the interval of the difference contains 0, or there are too
            few pictures for an interval.
    """

    summary: MetricSummary
    best: bool
    difference: Interval | None
    indistinguishable: bool


@dataclass(frozen=True)
class Row:
    """A run of the table.

    Attributes:
        name: tells it from the others.
        run: what its directory holds.
        seconds: the median wall time of a compared picture.
        floor: whether its method is there to be beaten, as `copy` is.
        entries: by metric, for every name of `ALL_NAMES`.
    """

    name: str
    run: FinishedRun
    floor: bool
    seconds: float
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        ids: the compared pictures, ascending, the same for all runs.
        resolution: of all pictures, in pixels.
        rows: a run each, the best of the metric sorted by first.
        footnotes: what ``[1]`` and so on in names stand for.
    """

    ids: tuple[str, ...]
    resolution: int
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()


def compare(
    runs: Sequence[FinishedRun],
    names: Sequence[str],
    ids: Sequence[str],
    *,
    resolution: int,
    sort: str,
    footnotes: Sequence[str] = (),
) -> Comparison:
    """Means and differences over exactly `ids`, which every run has; sorted by metric `sort`, runs without it last."""
    records = [run.records_of(ids) for run in runs]
    beaten = [run.result.run.method in floors() for run in runs]
    columns = {name: _entries(name, records, beaten) for name in ALL_NAMES}
    rows = [
        Row(
            name,
            run,
            beaten[index],
            float(np.median([record.seconds for record in records[index]])),
            {metric: columns[metric][index] for metric in ALL_NAMES},
        )
        for index, (name, run) in enumerate(zip(names, runs, strict=True))
    ]
    return Comparison(tuple(ids), resolution, tuple(sorted(rows, key=lambda row: _order(row, sort))), tuple(footnotes))


def _entries(name: str, runs: Sequence[Sequence[PictureRecord]], floors: Sequence[bool]) -> list[Entry]:
    """The entries of metric `name`, one per run; a floor is not the best, however good its number is."""
    summaries = [summarise_metric(name, records, BOOTSTRAP_SAMPLES, SEED) for records in runs]
    serious = [summary for summary, floor in zip(summaries, floors, strict=True) if not floor]
    best = best_mean(name, [summary.mean for summary in serious if summary.mean is not None])
    if best is None:
        return [Entry(summary, False, None, False) for summary in summaries]
    reference = runs[next(i for i, one in enumerate(summaries) if one.mean == best and not floors[i])]
    return [
        _entry(name, summary, best, records, reference, floor=floor)
        for summary, records, floor in zip(summaries, runs, floors, strict=True)
    ]


def _entry(
    name: str,
    summary: MetricSummary,
    best: float,
    records: Sequence[PictureRecord],
    reference: Sequence[PictureRecord],
    *,
    floor: bool,
) -> Entry:
    if summary.mean is None:
        return Entry(summary, False, None, False)
    # Of each picture in both runs: what makes a picture hard for all methods drops out.
    pairs = [
        (one.measurements[name].value, other.measurements[name].value)
        for one, other in zip(records, reference, strict=True)
    ]
    differences = [own - theirs for own, theirs in pairs if own is not None and theirs is not None]
    difference = mean_interval(differences, samples=BOOTSTRAP_SAMPLES, seed=SEED) if differences else None
    is_best = summary.mean == best and not floor
    told = difference is not None and len(differences) > 1 and not difference.low <= 0.0 <= difference.high
    return Entry(summary, is_best, difference, not (is_best or told or floor))


def _order(row: Row, metric: str) -> tuple[bool, float, str]:
    mean = row.entries[metric].summary.mean
    if mean is None:
        return (True, 0.0, row.name)
    return (False, -mean if HIGHER_IS_BETTER[metric] else mean, row.name)
