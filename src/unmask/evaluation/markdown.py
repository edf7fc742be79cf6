"""Tables in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_header(titles: Sequence[str]) -> list[str]:
    """The two lines that a table begins with."""
    return [markdown_row(titles), "|" + "---|" * len(titles)]


def markdown_row(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
