"""What is known of the people in a data set (`data.attributes`), and groups of pictures that have it in common."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from unmask.config import DataConfig
from unmask.data.id_table import IdTable, read_id_table
from unmask.errors import UnmaskError

KEY = "data.attributes"
LIKELY = 0.5
"""From here on a probability counts as yes."""
LIKELY_OF = {"beard": 0.4}
"""Of columns with another limit."""
ANGLES = ("yaw", "pitch", "roll")
"""Columns in degrees, 0 where the head is upright and faces the camera."""
ANGLE_LIMITS = (10.0, 20.0)
"""Degrees to either side between the groups of `ANGLES`."""
MOST_TEXTS = 20
"""A column of more different texts holds names or remarks."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Numbers:
    """A column whose filled cells are all numbers; None where a cell is empty."""

    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Texts:
    """Any other column; None where a cell is empty."""

    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Attributes:
    """
    Attributes:
        path: where they are from.
        ids: the pictures, in the order of the file.
        columns: name -> a value for each of `ids`.
    """

    path: Path
    ids: tuple[str, ...]
    columns: dict[str, Numbers | Texts]


@dataclass(frozen=True)
class Group:
    """Pictures that have something in common; `name` says what, such as ``18-40``."""

    name: str
    ids: tuple[str, ...]


def attributes_of(data: DataConfig) -> Attributes | None:
    """Those that the settings name, if any; errors as of `read_attributes`."""
    return None if data.attributes is None else read_attributes(Path(data.attributes).expanduser())


def read_attributes(path: Path) -> Attributes:
    """Read a CSV file with the column `id` and one for each attribute.

    Raises:
        UnmaskError: it is missing or no such table; names file, line and column.
    """
    table = read_id_table(path, KEY)
    if not table.columns:
        raise table.fault("no column beside id", 1)
    return Attributes(path, tuple(row.id for row in table.rows), {name: _column(table, name) for name in table.columns})


def _column(table: IdTable, name: str) -> Numbers | Texts:
    cells = [row.cells[name] or None for row in table.rows]
    if not any(cells):
        raise table.fault("holds nothing", 1, name)
    try:
        values = tuple(None if cell is None else float(cell) for cell in cells)
    except ValueError:
        return Texts(tuple(cells))
    for row, value in zip(table.rows, values, strict=True):
        if value is not None and not math.isfinite(value):
            raise table.fault(f"{value} is no number to group by; leave unknown ones empty", row.line, name)
    return Numbers(values)


def groups(attributes: Attributes, column: str, ids: Sequence[str]) -> tuple[Group, ...]:
    """Part the pictures `ids` by one attribute; each is in exactly one group, in the order given, none is empty.

    ``age`` is parted into <18, 18-40 (18 included, 40 not), 40-60 (both included) and >60; ``yaw``, ``pitch`` and
    ``roll`` by how many degrees the head is turned to either side: below 10, below 20, and more. Numbers that all lie
    from 0 to 1 are read as probabilities: below 0.5 or not (``beard``: 0.4). Other numbers are parted where `ids` fall
    into thirds, texts by value. Pictures of which the attribute is not known come last, as ``unknown``.

    Raises:
        UnmaskError: there is no such column, it has too many different texts, or not one of `ids` is in the table.
    """
    if column not in attributes.columns:
        raise UnmaskError(f"{attributes.path}: no column {column}, only {', '.join(attributes.columns)} ({KEY}).")
    if ids and set(attributes.ids).isdisjoint(ids):
        raise UnmaskError(
            f"{attributes.path}: none of the {len(ids)} pictures is in it; they have ids such as {ids[0]}, it has ids "
            f"such as {attributes.ids[0]} ({KEY})."
        )
    values = attributes.columns[column]
    if isinstance(values, Texts):
        names = _by_text(attributes, column, values, ids)
    else:
        names = _by_number(column.lower(), values, dict(zip(attributes.ids, values.values, strict=True)), ids)
    return tuple(
        Group(name, members)
        for name in (*names.order, UNKNOWN)
        if (members := tuple(id for id in ids if names.of.get(id, UNKNOWN) == name))
    )


@dataclass(frozen=True)
class _Names:
    """
    Attributes:
        order: the groups.
        of: id -> its group; ids of which nothing is known are not there.
    """

    order: tuple[str, ...]
    of: dict[str, str]


def _by_text(attributes: Attributes, column: str, texts: Texts, ids: Sequence[str]) -> _Names:
    wanted = frozenset(ids)
    of = {id: text for id, text in zip(attributes.ids, texts.values, strict=True) if text is not None and id in wanted}
    order = tuple(sorted(set(of.values()) - {UNKNOWN}))
    if len(order) > MOST_TEXTS:
        raise UnmaskError(f"{attributes.path}: column {column}: {len(order)} different texts are no groups ({KEY}).")
    return _Names(order, of)


def _by_number(column: str, numbers: Numbers, of: dict[str, float | None], ids: Sequence[str]) -> _Names:
    known = {id: value for id in ids if (value := of.get(id)) is not None}
    every = [value for value in numbers.values if value is not None]
    if column == "age":
        limits: tuple[float, ...] = (18.0, 40.0, math.nextafter(60.0, math.inf))
        order: tuple[str, ...] = ("<18", "18-40", "40-60", ">60")
    elif column in ANGLES:
        known = {id: abs(value) for id, value in known.items()}
        limits, order = ANGLE_LIMITS, tuple(f"{name} deg" for name in _ranges(ANGLE_LIMITS))
    elif all(0 <= value <= 1 for value in every):
        limits = (LIKELY_OF.get(column, LIKELY),)
        order = _ranges(limits)
    else:
        limits = _thirds(list(known.values()))
        order = _ranges(limits) if limits else (f"{every[0]:g}",)
    return _Names(order, {id: order[bisect_right(limits, value)] for id, value in known.items()})


def _thirds(values: list[float]) -> tuple[float, ...]:
    """The values at which the second and the last third begin; none, or one, where many are equal."""
    if not values:
        return ()
    at = np.quantile(values, (1 / 3, 2 / 3), method="higher")
    return tuple(float(limit) for limit in np.unique(at) if limit > min(values))


def _ranges(limits: tuple[float, ...]) -> tuple[str, ...]:
    """Names for what lies below, between and from the limits on."""
    between = (f"{low:g} to {high:g}" for low, high in pairwise(limits))
    return (f"<{limits[0]:g}", *between, f">={limits[-1]:g}")
