"""The leaderboard of a benchmark, for people and for programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.benchmark.frozen import Benchmark
from unmask.benchmark.ranks import Place, places
from unmask.compare.comparison import BOOTSTRAP_SAMPLES, SEED
from unmask.evaluation.sets import SetMetric
from unmask.files import atomic_path
from unmask.results.bca import bca_intervals
from unmask.results.catalogue import HIGHER_IS_BETTER
from unmask.results.read import FinishedRun
from unmask.results.records import PictureRecord
from unmask.results.summary import MetricSummary, summarise_metric
from unmask.results.table import (
    ABSENT_NUMBER,
    format_metric,
    format_number,
    markdown_header,
    markdown_row,
    metric_label,
)

SET_DIGITS = 4


@dataclass(frozen=True)
class Line:
    """A run of the leaderboard, over exactly the benchmark's pictures.

    Attributes:
        name: tells it from the others.
        place: by the first metric; None where it has no value on some picture.
        summaries: of the benchmark's metrics.
        sets: what is measured on all pictures together.
        seconds: a picture, as the method took.
    """

    name: str
    run: FinishedRun
    records: tuple[PictureRecord, ...]
    place: Place | None
    summaries: Mapping[str, MetricSummary]
    sets: tuple[SetMetric, ...]
    seconds: float | None


@dataclass(frozen=True)
class Part:
    """Some of the pictures, which have something in common that `title` says."""

    title: str
    ids: frozenset[str]


def rank_runs(
    benchmark: Benchmark, runs: Sequence[FinishedRun], names: Sequence[str], sets: Mapping[Path, tuple[SetMetric, ...]]
) -> list[Line]:
    """The runs, the best first; those without a place last."""
    records = [run.records_of(benchmark.ids) for run in runs]
    found = places(benchmark.metrics[0], records)
    lines = [
        Line(
            name,
            run,
            own,
            place,
            {metric: summarise_metric(metric, own, BOOTSTRAP_SAMPLES, SEED) for metric in benchmark.metrics},
            sets.get(run.folder, ()),
            run.result.seconds_per_image,
        )
        for name, run, own, place in zip(names, runs, records, found, strict=True)
    ]
    return sorted(lines, key=lambda line: _order(line, benchmark.metrics[0]))


def markdown(benchmark: Benchmark, lines: Sequence[Line], parts: Sequence[Part]) -> str:
    """The leaderboard, the tables of parts, and the benchmark's card, in GitHub's Markdown."""
    first = benchmark.metrics[0]
    said = [f"# {benchmark.name} {benchmark.version}", ""]
    said += markdown_header(["rank", "run", *map(metric_label, benchmark.metrics), "s/picture", "p"])
    for line in lines:
        cells = [format_metric(metric, line.summaries[metric]) for metric in benchmark.metrics]
        said.append(markdown_row([_rank(line), line.name, *cells, format_number(line.seconds, 2), _tested(line)]))
    said += [
        "",
        f"Mean [95 % bootstrap interval] over {len(benchmark.entries)} pictures. Ranked by {first}: runs that share a "
        "rank cannot be told from the best of it (Wilcoxon's signed-rank test on the pictures, Holm's correction, "
        f"p ≥ 0.05). {ABSENT_NUMBER}: no value.",
        "",
    ]
    said += _sets(lines)
    if parts:
        said += [f"## {first} by part", "", *markdown_header(["pictures", "n", *(line.name for line in lines)])]
        for part in parts:
            own = [[record for record in line.records if record.id in part.ids] for line in lines]
            cells = [format_metric(first, summary) for summary in part_summaries(first, own)]
            said.append(markdown_row([part.title, str(len(part.ids)), *cells]))
        said += ["", "Mean [95 % BCa bootstrap interval], which parts of few pictures need.", ""]
    return "\n".join([*said, *card(benchmark)])


def part_summaries(metric: str, runs: Sequence[Sequence[PictureRecord]]) -> list[MetricSummary]:
    """Of every run's records of the same pictures, with BCa intervals: percentile ones are too narrow for few pictures
    and lopsided numbers."""
    measured = [[record.measurements[metric].value for record in records] for records in runs]
    values = np.array([[np.nan if value is None else value for value in column] for column in measured]).T
    found = bca_intervals(values, samples=BOOTSTRAP_SAMPLES, seed=SEED)
    rows = zip(found.mean.tolist(), found.low.tolist(), found.high.tolist(), found.count.tolist(), strict=True)
    missing = [len(values) - int(count) for count in found.count]
    return [
        MetricSummary(mean, (low, high), n, f"missing: {without}" if without else None)
        if n
        else MetricSummary(None, None, 0, "no picture has it")
        for (mean, low, high, n), without in zip(rows, missing, strict=True)
    ]


def card(benchmark: Benchmark) -> list[str]:
    """What the benchmark is, as lines of Markdown."""
    return [
        "## The benchmark",
        "",
        benchmark.about.strip(),
        "",
        f"- pictures: {len(benchmark.entries)} at {benchmark.resolution} pixels, fixed by SHA-256",
        f"- face masks: {benchmark.masks.strip()}",
        f"- a run: `python -m unmask.run {benchmark.data} method=...`",
        f"- pictures of another program: `python -m unmask.run {benchmark.data} method=pictures method.root=DIR`",
        f"- metrics: {', '.join(benchmark.metrics)}; the first ranks",
        "",
    ]


def write_csv(benchmark: Benchmark, lines: Sequence[Line], path: Path) -> None:
    """A row per run and metric, numbers in full."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("benchmark", "version", "rank", "run", "metric", "mean", "lo", "hi", "n", "note", "directory"))
        for line in lines:
            head = [benchmark.name, benchmark.version, _rank(line), line.name]
            for metric, summary in line.summaries.items():
                low, high = summary.ci95 or ("", "")
                mean = "" if summary.mean is None else summary.mean
                writer.writerow([*head, metric, mean, low, high, summary.n, summary.reason or "", line.run.folder])
            for one in line.sets:
                low, high = one.ci95 or ("", "")
                value = "" if one.value is None else one.value
                writer.writerow(
                    [*head, one.name, value, low, high, len(line.records), one.reason or "", line.run.folder]
                )


def _sets(lines: Sequence[Line]) -> list[str]:
    """The table of what is measured on all pictures together, and what is to be said about its numbers."""
    named = {one.name: one for line in lines for one in line.sets}
    if not named:
        return []
    valued = {one.name for line in lines for one in line.sets if one.value is not None}
    shown = [name for name in named if name in valued]
    said = ["## On all pictures together", ""]
    said += markdown_header(["run", *(f"{name} {'↑' if named[name].higher else '↓'}" for name in shown)])
    for line in lines:
        own = {one.name: one for one in line.sets}
        said.append(markdown_row([line.name, *(_set_cell(own.get(name)) for name in shown)]))
    notes = dict.fromkeys(f"- {one.name}: {one.reason}." for line in lines for one in line.sets if one.reason)
    return [*said, "", *notes, ""]


def _set_cell(one: SetMetric | None) -> str:
    if one is None or one.value is None:
        return ABSENT_NUMBER
    mean = format_number(one.value, SET_DIGITS)
    if one.ci95 is None:
        return mean
    return f"{mean} [{format_number(one.ci95[0], SET_DIGITS)}, {format_number(one.ci95[1], SET_DIGITS)}]"


def _rank(line: Line) -> str:
    return ABSENT_NUMBER if line.place is None else str(line.place.rank)


def _tested(line: Line) -> str:
    return ABSENT_NUMBER if line.place is None or line.place.p is None else f"{line.place.p:.2g}"


def _order(line: Line, metric: str) -> tuple[bool, int, float]:
    """By rank, and within a rank by the mean."""
    mean = line.summaries[metric].mean
    if line.place is None or mean is None:
        return (True, 0, 0.0)
    return (False, line.place.rank, -mean if HIGHER_IS_BETTER[metric] else mean)
