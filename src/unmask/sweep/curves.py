"""The picture of a sweep: every metric against what was swept, with its 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.figure import panels
from unmask.sweep.jobs import Job, number
from unmask.sweep.summary import metric_names, smaller_is_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_RATIO = 8.0
"""Positive values that span at least this factor go on a logarithmic axis."""


def draw_curves(jobs: list[Job], keys: list[str], path: Path) -> None:
    """Draw one panel per metric into `path`.

    The numeric key with the most values becomes the axis, every combination of the other keys a line. Without
    a numeric key each job is a point on a labelled axis.
    """
    names = drawn_metrics(jobs)
    axis_key = _axis_key(jobs, keys)
    lines = _lines(jobs, keys, axis_key)
    with panels(path, len(names)) as (figure, drawn):
        for name, panel in zip(names, drawn, strict=True):
            for index, (label, members) in enumerate(lines.items()):
                points = [(x, job.metrics[name]) for x, job in members if name in job.metrics]
                if not points:
                    continue
                x = [point[0] for point in points]
                means = [metric.mean for _, metric in points]
                # Up to rounding, an interval holds its mean; matplotlib refuses the -1e-17 that rounding leaves.
                below = [max(0.0, metric.mean - metric.low) for _, metric in points]
                above = [max(0.0, metric.high - metric.mean) for _, metric in points]
                style = "o-" if axis_key else "o"
                look: dict[str, Any] = {"fmt": style, "color": f"C{index}", "capsize": 3, "markersize": 4}
                panel.errorbar(x, means, yerr=[below, above], label=label or None, **look)
            panel.set_title(f"{name} ({direction(name)})", fontsize=10)
            panel.grid(alpha=0.3)
            if axis_key:
                numeric_axis(panel, axis_key, sorted({x for members in lines.values() for x, _ in members}))
            else:
                labels = [_label(job, keys) or job.name for job in jobs]
                panel.set_xticks(range(len(jobs)), labels, rotation=30, ha="right", fontsize=8)
        if len(lines) > 1:
            handles = {
                label: handle
                for panel in drawn
                for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
            }
            figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8)


def drawn_metrics(jobs: Sequence[Job]) -> list[str]:
    """The metrics that a picture of the jobs shows: those that tell them apart; where none does, the first."""
    names = metric_names(list(jobs))
    return [name for name in names if _informative(name, jobs)] or names[:1]


def _informative(name: str, jobs: Sequence[Job]) -> bool:
    """Not absent everywhere, and not the same number everywhere."""
    values = [job.metrics[name] for job in jobs if name in job.metrics]
    return any(value.low < value.high for value in values) or len({value.mean for value in values}) > 1


def numeric_keys(jobs: Sequence[Job], keys: Sequence[str]) -> list[str]:
    """The keys among `keys` that have several values, all of them numbers."""
    values = {key: {job.values.get(key, "") for job in jobs} for key in keys}
    return [key for key in keys if len(values[key]) > 1 and all(number(value) is not None for value in values[key])]


def direction(name: str) -> str:
    """Of a metric, in words."""
    return f"{'lower' if smaller_is_better(name) else 'higher'} is better"


def _axis_key(jobs: list[Job], keys: list[str]) -> str | None:
    counts = {key: len({job.values[key] for job in jobs}) for key in numeric_keys(jobs, keys)}
    return max(counts, key=lambda key: counts[key]) if counts else None


def _lines(jobs: list[Job], keys: list[str], axis_key: str | None) -> dict[str, list[tuple[float, Job]]]:
    """Points by line; a line is named after the keys that are not on the axis."""
    if axis_key is None:
        return {"": [(float(index), job) for index, job in enumerate(jobs)]}
    lines: dict[str, list[tuple[float, Job]]] = {}
    for job in jobs:
        x = number(job.values[axis_key])
        assert x is not None
        lines.setdefault(_label(job, [key for key in keys if key != axis_key]), []).append((x, job))
    return {label: sorted(points, key=lambda point: point[0]) for label, points in lines.items()}


def _label(job: Job, keys: list[str]) -> str:
    return ", ".join(f"{key.rsplit('.', 1)[-1]}={job.values.get(key, '')}" for key in keys)


def numeric_axis(panel: Axes, key: str, values: list[float]) -> None:
    """Label a panel's axis, with a logarithmic scale where `values` (ascending) span much, and ticks at few of them."""
    panel.set_xlabel(key)
    if min(values) > 0 and max(values) / min(values) >= LOG_RATIO:
        panel.set_xscale("log")
    if len(values) <= 8 and all(len(f"{value:g}") <= 5 for value in values):
        panel.set_xticks(values, [f"{value:g}" for value in values], minor=False)
        panel.minorticks_off()
