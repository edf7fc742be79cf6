"""The tables of a sweep."""

from __future__ import annotations

import csv
from pathlib import Path

from unmask.files import atomic_path, write_text
from unmask.labels import short_number
from unmask.results.catalogue import DIGITS, HIGHER_IS_BETTER, best_mean
from unmask.results.table import (
    ABSENT_NUMBER,
    format_interval,
    format_number,
    markdown_header,
    markdown_row,
    metric_label,
)
from unmask.sweep.jobs import Job, Metric, number
from unmask.sweep.search import Search


def smaller_is_better(metric: str) -> bool:
    """Whether a metric such as ``hole/lpips`` is a distance."""
    return not HIGHER_IS_BETTER[metric]


def metric_names(jobs: list[Job]) -> list[str]:
    """Every metric of any job's report, in the order of the reports, computed or not."""
    return list(dict.fromkeys(name for job in jobs for name in job.report.get("metrics", {})))


def write_csv(jobs: list[Job], keys: list[str], path: Path) -> None:
    """A row per job: swept keys, state, and every metric with the ends of its 95 % interval."""
    names = metric_names(jobs)
    ends = [f"{name}{end}" for name in names for end in ("", "/lo", "/hi")]
    header = ["job", *keys, "status", "n", "failures", "seconds_per_image", *ends, "config_hash", "reason"]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for job in jobs:
            numbers: list[object] = []
            for name in names:
                metric = job.metrics.get(name)
                numbers += [metric.mean, metric.low, metric.high] if metric else ["", "", ""]
            report = job.report
            rows.writerow(
                [
                    job.name,
                    *(job.values.get(key, "") for key in keys),
                    "complete" if job.complete else "failed",
                    report.get("n", 0),
                    len(report.get("failures", [])),
                    report.get("seconds_per_image", ""),
                    *numbers,
                    report.get("config_hash", ""),
                    job.reason,
                ]
            )


def write_markdown(jobs: list[Job], keys: list[str], path: Path, search: Search | None = None) -> None:
    """The same for reading: mean and interval in a cell, each metric's best in bold, failed jobs below.

    Args:
        search: what the sweep looked for; its best trial gets a star. None: it ran every combination.
    """
    star = None if search is None else search.best(jobs)
    shown = [name for name in metric_names(jobs) if any(name in job.metrics for job in jobs)]
    complete = [job for job in jobs if job.complete]
    if search is not None:
        complete = [*search.ranked(complete), *(job for job in complete if search.objective not in job.metrics)]
    labels = keys or ["job"]
    lines = ["# Sweep over " + (", ".join(keys) or "nothing"), ""]
    lines += markdown_header([*labels, "n", "s/picture", *map(metric_label, shown)])
    for job in complete:
        cells = [_cell(name, job.metrics.get(name), _best(complete, name)) for name in shown]
        time = format_number(job.report.get("seconds_per_image"), 2)
        names = [_short(job.values.get(key, "")) for key in keys] or [job.name]
        if job is star:
            names[0] = f"★ {names[0]}"
        lines.append(markdown_row([*names, str(job.report.get("n", 0)), time, *cells]))
    lines += ["", "Mean over the pictures [95 % bootstrap interval]; bold: the best mean.", ""]
    if search is not None:
        lines += [*search.sentences(jobs), ""]
    pictures = [job for job in complete if job.report.get("failures")]
    if pictures:
        lines += ["Pictures that failed:", ""]
        for job in pictures:
            lines.append(f"- {job.name}: {', '.join(failure['id'] for failure in job.report['failures'])}")
        lines.append("")
    failed = [job for job in jobs if not job.complete]
    if failed:
        lines += ["Jobs that did not finish:", "", *(f"- {job.name}: {job.reason}" for job in failed), ""]
    write_text(path, "\n".join(lines))


def _short(value: str) -> str:
    return value if number(value) is None else short_number(value)


def _best(jobs: list[Job], name: str) -> float | None:
    return best_mean(name, [job.metrics[name].mean for job in jobs if name in job.metrics])


def _cell(name: str, metric: Metric | None, best: float | None) -> str:
    if metric is None:
        return ABSENT_NUMBER
    mean = format_number(metric.mean, DIGITS[name])
    return f"{f'**{mean}**' if metric.mean == best else mean} {format_interval(name, metric.low, metric.high)}"
