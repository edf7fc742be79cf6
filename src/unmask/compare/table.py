"""The table of a comparison, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from unmask.compare.comparison import Comparison, Entry
from unmask.evaluation.markdown import markdown_header, markdown_row
from unmask.evaluation.report import ABSENT_NUMBER, DIGITS, format_interval, format_number, metric_label, shown_names

INDISTINGUISHABLE = "≈"
INCOMPLETE = "*"
FEW = 10
"""With fewer pictures than this the caption warns of the intervals."""


def markdown(comparison: Comparison, notes: Sequence[str], picture: str) -> str:
    """Runs down, metrics across, in GitHub's Markdown; below it what the signs mean, `notes`, and the picture."""
    shown = _shown(comparison)
    titles = ["run", "n", *(metric_label(name) for name in shown), "median s/picture", "peak MB"]
    lines = [f"# Comparison of {len(comparison.rows)} runs", "", *markdown_header(titles)]
    for row in comparison.rows:
        cells = [_markdown_cell(name, row.entries[name]) for name in shown]
        costs = [format_number(row.seconds, 2), format_number(row.run.result.peak_memory_mb, 0)]
        lines.append(markdown_row([row.name, str(len(comparison.ids)), *cells, *costs]))
    lines += ["", " ".join(caption(comparison)), ""]
    lines += [f"- {note}" for note in notes] + [""] * bool(notes)
    lines += [f"![The compared pictures, a run per column]({picture})", ""]
    return "\n".join(lines)


def terminal_table(comparison: Comparison) -> Table:
    """Metrics down, runs across, for rich to print."""
    table = Table(
        title="mean over the pictures [95 % interval]",
        caption=" ".join(caption(comparison)),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("metric", no_wrap=True)
    for row in comparison.rows:
        table.add_column(Text(row.name), justify="right")
    for name in _shown(comparison):
        table.add_row(metric_label(name), *(_terminal_cell(name, row.entries[name]) for row in comparison.rows))
    table.add_row("median s/picture", *(format_number(row.seconds, 2) for row in comparison.rows))
    table.add_row("peak MB", *(format_number(row.run.result.peak_memory_mb, 0) for row in comparison.rows))
    return table


def caption(comparison: Comparison) -> list[str]:
    """What the numbers are and what the signs mean, a sentence each."""
    count = len(comparison.ids)
    entries = [row.entries[name] for row in comparison.rows for name in _shown(comparison)]
    sentences = [
        f"Mean [95 % bootstrap interval] over {count} picture{'' if count == 1 else 's'} at {comparison.resolution} "
        "pixels, the same for all runs.",
        "Bold: the best mean of a metric.",
        f"{INDISTINGUISHABLE}: cannot be told from the best, since the 95 % paired-bootstrap interval of the "
        "difference per picture contains 0.",
    ]
    if any(entry.summary.reason is not None and entry.summary.mean is not None for entry in entries):
        sentences.append(f"{INCOMPLETE}: over those of the pictures that have a value.")
    if any(entry.summary.mean is None for entry in entries):
        sentences.append(f"{ABSENT_NUMBER}: no value.")
    if count < FEW:
        sentences.append("With so few pictures the intervals are too narrow.")
    return sentences


def _shown(comparison: Comparison) -> tuple[str, ...]:
    """The metrics of the tables."""
    return shown_names({name: entry.summary for name, entry in row.entries.items()} for row in comparison.rows)


def _markdown_cell(name: str, entry: Entry) -> str:
    mean, signs, interval = _parts(name, entry)
    return f"{f'**{mean}**' if entry.best else mean}{signs} {interval}".rstrip()


def _terminal_cell(name: str, entry: Entry) -> Text:
    mean, signs, interval = _parts(name, entry)
    return Text.assemble((mean, "bold" if entry.best else ""), f"{signs}\n{interval}".rstrip())


def _parts(name: str, entry: Entry) -> tuple[str, str, str]:
    """The mean, which may be set in bold, the signs that belong to it, and its interval."""
    summary = entry.summary
    if summary.mean is None or summary.ci95 is None:
        return ABSENT_NUMBER, "", ""
    signs = (INDISTINGUISHABLE if entry.indistinguishable else "") + ("" if summary.reason is None else INCOMPLETE)
    return format_number(summary.mean, DIGITS[name]), signs, format_interval(name, *summary.ci95)
