"""Parts of a benchmark's pictures: by how much is hidden, and by what is known of the people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmask.benchmark.leaderboard import Part
from unmask.data import groups, read_attributes
from unmask.results.pictures import kept_hidden

SHARES = ("a third with the smallest holes", "the middle third", "a third with the largest holes")
FEWEST = 5
"""A part of fewer pictures says nothing, and is left out."""


def by_hole(folder: Path, ids: Sequence[str]) -> list[Part]:
    """Thirds by the share of the picture that is hidden, from a run's occlusion/."""
    shares = [float(kept_hidden(folder, id).occlusion.mean()) for id in ids]
    order = np.argsort(shares, kind="stable")
    thirds = np.array_split(order, len(SHARES))
    parts = []
    for title, members in zip(SHARES, thirds, strict=True):
        if len(members) >= FEWEST:
            low, high = 100 * shares[members[0]], 100 * shares[members[-1]]
            parts.append(Part(f"{title} ({low:.1f} to {high:.1f} %)", frozenset(ids[index] for index in members)))
    return parts


def by_attribute(path: Path, ids: Sequence[str]) -> list[Part]:
    """By every column of a table of attributes; columns that tell nobody apart are left out.

    Raises:
        UnmaskError: the table is damaged, or has none of the ids.
    """
    attributes = read_attributes(path)
    parts = []
    for column in attributes.columns:
        found = [group for group in groups(attributes, column, ids) if len(group.ids) >= FEWEST]
        if len(found) > 1:
            parts += [Part(f"{column} {group.name}", frozenset(group.ids)) for group in found]
    return parts
