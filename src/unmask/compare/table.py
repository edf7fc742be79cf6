"""The table of a comparison, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from unmask.compare.comparison import Comparison, Entry, Row
from unmask.results.catalogue import DIGITS, EXPRESSION_NAMES
from unmask.results.table import (
    ABSENT_NUMBER,
    format_interval,
    format_number,
    markdown_header,
    markdown_row,
    metric_label,
    shown_names,
)

INDISTINGUISHABLE = "≈"
INCOMPLETE = "*"
FLOOR = " (floor)"
AGAINST = "\nagainst copy"
"""Below the names of metrics that a picture of the mask scores well in, too."""
MAIN = ("hole/psnr", "hole/lpips", "identity/arcface", "expression/mouth_open")
"""What a narrow terminal shows."""
NAME_WIDTH, CELL_WIDTH = 18, 15
"""Characters of the first column and of every other, with the space between them."""
FEW = 10
"""With fewer pictures than this the caption warns of the intervals."""


def markdown(comparison: Comparison, notes: Sequence[str], picture: str) -> str:
    """Runs down, metrics across, in GitHub's Markdown; below it what the signs mean, `notes`, and the picture."""
    shown = _shown(comparison)
    titles = ["run", "n", *map(_title, shown), "median s/picture", "peak MB"]
    lines = [f"# Comparison of {len(comparison.rows)} runs", "", *markdown_header(titles)]
    for row in comparison.rows:
        cells = [_markdown_cell(name, row.entries[name]) for name in shown]
        costs = [format_number(row.seconds, 2), format_number(row.run.result.peak_memory_mb, 0)]
        lines.append(markdown_row([_name(row), str(len(comparison.ids)), *cells, *costs]))
    lines += ["", " ".join(caption(comparison)), ""]
    lines += [f"- {note}" for note in notes] + [""] * bool(notes)
    lines += [f"![The compared pictures, a run per column]({picture})", ""]
    return "\n".join(lines)


def terminal_table(comparison: Comparison, width: int = 80, sort: str = MAIN[0]) -> Table:
    """Runs down, as many metrics across as the `width` of the terminal takes, four at 80 characters, for rich to print.

    compare.md has all of them. The metric that the runs are sorted by is always there: it takes the last one's place.
    """
    table = Table(
        title=f"{len(comparison.ids)} pictures at {comparison.resolution} px: mean, 95 % interval below",
        caption=" ".join(caption(comparison)),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown = (*MAIN, *(name for name in _shown(comparison) if name not in MAIN))
    shown = shown[: max(len(MAIN), (width - NAME_WIDTH) // CELL_WIDTH)]
    shown = shown if sort in shown else (*shown[:-1], sort)
    table.add_column("run", min_width=NAME_WIDTH - 2, max_width=NAME_WIDTH - 2, overflow="fold")
    for name in shown:
        group, _, short = metric_label(name).partition("/")
        table.add_column(
            f"{group}/\n{short}{AGAINST if name in EXPRESSION_NAMES else ''}", justify="right", no_wrap=True
        )
    for row in comparison.rows:
        cells = [_terminal_cell(name, row.entries[name]) for name in shown]
        table.add_row(Text(_name(row)), *cells)
    return table


def caption(comparison: Comparison) -> list[str]:
    """What the numbers are and what the signs mean, a sentence each."""
    count = len(comparison.ids)
    entries = [row.entries[name] for row in comparison.rows for name in _shown(comparison)]
    sentences = [
        f"Mean [95 % bootstrap interval] over {count} picture{'' if count == 1 else 's'} at {comparison.resolution} "
        "pixels, the same for all runs.",
        "Bold: the best mean of a metric.",
        *_about_floors(comparison),
        f"{INDISTINGUISHABLE}: cannot be told from the best, since the 95 % paired-bootstrap interval of the "
        "difference per picture contains 0.",
    ]
    if any(entry.summary.reason is not None and entry.summary.mean is not None for entry in entries):
        sentences.append(f"{INCOMPLETE}: over those of the pictures that have a value.")
    if any(entry.summary.mean is None for entry in entries):
        sentences.append(f"{ABSENT_NUMBER}: no value.")
    sentences += [f"[{number}] {note}." for number, note in enumerate(comparison.footnotes, 1)]
    if count < FEW:
        sentences.append("With so few pictures the intervals are too narrow.")
    return sentences


def _about_floors(comparison: Comparison) -> list[str]:
    said = []
    floors = [row.name for row in comparison.rows if row.floor]
    if floors:
        said.append(
            f"Floors ({', '.join(floors)}) are there to be beaten, and never the best: "
            "identity rewards leaving the mouth out."
        )
    copied = [row for row in comparison.rows if row.run.result.run.method == "copy"]
    numbers = ", ".join(
        f"{name.partition('/')[2]} {format_number(mean, DIGITS[name])}"
        for name in EXPRESSION_NAMES
        if copied and (mean := copied[0].entries[name].summary.mean) is not None
    )
    if numbers:
        said.append(f"Read expression against copy, which shows the mask: {numbers}.")
    else:
        said.append("Read expression against a run of method=copy, which shows the mask; there is none here.")
    return said


def _name(row: Row) -> str:
    return f"{row.name}{FLOOR if row.floor else ''}"


def _title(name: str) -> str:
    return f"{metric_label(name)}{' (against copy)' if name in EXPRESSION_NAMES else ''}"


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
