"""Tables of results, and the one way in which a number is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from unmask.results.catalogue import DIGITS, HIGHER_IS_BETTER, NAMES, SAMPLE_NAMES
from unmask.results.summary import EvaluationResult, MetricSummary

ABSENT_NUMBER = "–"


def terminal_table(results: Sequence[EvaluationResult]) -> Table:
    """Metrics down, results across, for rich to print."""
    table = Table(title="mean over the pictures [95 % interval]", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for result in results:
        table.add_column(f"{result.run.method} (n={result.n})", justify="right")
    for name in shown_names(result.metrics for result in results):
        table.add_row(metric_label(name), *(format_metric(name, result.metrics[name]) for result in results))
    table.add_row("seconds per picture", *(format_number(result.seconds_per_image, 2) for result in results))
    if any(result.seconds_compiling for result in results):
        table.add_row("seconds compiling", *(format_number(result.seconds_compiling, 0) for result in results))
    table.add_row("peak memory, MB", *(format_number(result.peak_memory_mb, 0) for result in results))
    return table


def shown_names(summaries: Iterable[Mapping[str, MetricSummary]]) -> tuple[str, ...]:
    """The metrics that belong into a table of these results: all, but those of several answers only where one has a
    value."""
    found = {name for one in summaries for name, summary in one.items() if summary.mean is not None}
    return (*NAMES, *(name for name in SAMPLE_NAMES if name in found))


def format_metric(name: str, summary: MetricSummary) -> str:
    """The mean with its interval, "–" where there is none, "*" where pictures are missing from it."""
    if summary.mean is None or summary.ci95 is None:
        return ABSENT_NUMBER
    star = "" if summary.reason is None else "*"
    return f"{format_number(summary.mean, DIGITS[name])}{star} {format_interval(name, *summary.ci95)}"


def format_interval(name: str, low: float, high: float) -> str:
    """The limits of an interval, with the digits of metric `name`."""
    return f"[{format_number(low, DIGITS[name])}, {format_number(high, DIGITS[name])}]"


def format_number(value: float | None, digits: int) -> str:
    """`value` with that many digits after the point, "–" where there is none."""
    return ABSENT_NUMBER if value is None else f"{value:.{digits}f}"


def metric_label(name: str) -> str:
    """The name of a metric with an arrow towards the better."""
    return f"{name} {'↑' if HIGHER_IS_BETTER[name] else '↓'}"


def markdown_header(titles: Sequence[str]) -> list[str]:
    """The two lines that a table in GitHub's Markdown begins with."""
    return [markdown_row(titles), "|" + "---|" * len(titles)]


def markdown_row(cells: Sequence[str]) -> str:
    """One line of such a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
