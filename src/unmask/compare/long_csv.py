"""The numbers of a comparison, for programs: a line per run and metric."""

from __future__ import annotations

import csv
from pathlib import Path

from unmask.compare.comparison import Comparison, Entry
from unmask.files import atomic_path
from unmask.results.catalogue import ALL_NAMES

COLUMNS = (
    "run", "method", "metric", "mean", "lo", "hi", "n", "best", "indistinguishable",
    "difference", "difference_lo", "difference_hi", "directory",
)  # fmt: skip


def write_long_csv(comparison: Comparison, path: Path) -> None:
    """Write `path` atomically: rows in the order of the table, numbers in full, nothing where there is no number.

    ``n`` counts the pictures that have a value; ``difference`` is to the best run of the metric.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in comparison.rows:
            for name in ALL_NAMES:
                numbers = _cells(row.entries[name])
                writer.writerow([row.name, row.run.result.run.method, name, *numbers, str(row.run.folder)])


def _cells(entry: Entry) -> list[str]:
    summary, difference = entry.summary, entry.difference
    low, high = summary.ci95 or (None, None)
    away = (None, None, None) if difference is None else (difference.mean, difference.low, difference.high)
    return [
        *(_number(value) for value in (summary.mean, low, high)),
        str(summary.n),
        _truth(entry.best),
        _truth(entry.indistinguishable),
        *(_number(value) for value in away),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _truth(value: bool) -> str:
    return "true" if value else "false"
