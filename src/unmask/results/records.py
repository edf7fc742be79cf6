"""The row of a picture in metrics.csv: appended as it finishes, read back when a killed run goes on."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmask.files import atomic_path
from unmask.results.catalogue import (
    ADDED_LATER,
    AGAINST_CLEAN,
    ALL_NAMES,
    EXPRESSION_NAMES,
    EXPRESSION_OFF,
    IDENTITY_NAMES,
    IDENTITY_OFF,
    NO_CLEAN,
    NOT_MEASURED,
    ONE_ANSWER,
    SAMPLE_NAMES,
    Measurement,
)

COLUMNS = ("id", "input", "seconds", *ALL_NAMES, "reasons")
DOUBT = "occlusion"
"""Name under which ``reasons`` holds a doubt about the occlusion."""
GROWN = "grown"
"""Name under which it holds how many pixels of the face mask were found beyond the occlusion."""


@dataclass(frozen=True)
class PictureRecord:
    """What was measured on one picture.

    Attributes:
        seconds: wall time the method took for it, in its own process.
        doubt: why its occlusion may be wrong; None where nothing speaks against it.
        grown: pixels of the face mask that were found beyond the occlusion, and filled too.
        input: of `unmask.faces.Faces.contents`; "" where there were no files, or the version did not write it.
    """

    id: str
    seconds: float
    measurements: Mapping[str, Measurement]
    doubt: str | None = None
    grown: int = 0
    input: str = ""

    @property
    def several(self) -> bool:
        """Whether the method gave several answers: a picture has a hidden or a visible part, in which they differ."""
        of_several = [self.measurements[name] for name in SAMPLE_NAMES]
        return any(one.value is not None or one.reason == NOT_MEASURED for one in of_several)

    @property
    def measured(self) -> bool:
        """Whether every metric was tried that this version knows."""
        return not any(one.reason in (NOT_MEASURED, ADDED_LATER) for one in self.measurements.values())


def append_record(path: Path, record: PictureRecord) -> None:
    """Add a row to metrics.csv and bring it to disk; a new file starts with the header.

    A number that could not be computed is an empty cell, and ``reasons`` says why, as JSON from name to reason, unless
    it is the same for every picture of such a run; metrics.json has those. ``reasons`` also says, under "occlusion",
    why the occlusion may be wrong, and under "grown", by how many pixels what is filled was grown onto the rest of the
    face mask.
    """
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row_of(record))
        file.flush()
        os.fsync(file.fileno())


def write_records(path: Path, records: Sequence[PictureRecord]) -> None:
    """Write metrics.csv anew, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row_of(record) for record in records)


def read_records(path: Path) -> tuple[PictureRecord, ...]:
    """The rows of metrics.csv, () where there is none; a last row cut short by a kill is left out.

    Metrics that were added after the file was written have no value.
    """
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        lines = file.read().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    records = []
    for row in map(_with_later_columns, csv.DictReader(lines)):
        if set(row) != set(COLUMNS) or any(row[column] is None for column in COLUMNS):
            continue  # written by another version, or damaged: such a picture is done again
        records.append(record_from_row([row[column] for column in COLUMNS]))
    return tuple(records)


def _with_later_columns(row: dict[str, str]) -> dict[str, str]:
    """The row with an empty cell, and the reason, for every metric that its file's version did not know."""
    row = {"input": ""} | row
    later = [name for name in ALL_NAMES if name not in row]
    if not later or row.get("reasons") is None:
        return row
    reasons = json.loads(row["reasons"] or "{}") | dict.fromkeys(later, ADDED_LATER)
    return row | dict.fromkeys(later, "") | {"reasons": json.dumps(reasons, sort_keys=True)}


def record_from_row(row: Sequence[str]) -> PictureRecord:
    """The inverse of `row_of`.

    Raises:
        ValueError: a cell does not hold what it should.
    """
    cells = dict(zip(COLUMNS, row, strict=True))
    reasons = _everybody_s(cells) | (json.loads(cells["reasons"]) if cells["reasons"] else {})
    measurements = {
        name: Measurement(_finite(cells[name])) if cells[name] else Measurement(None, reasons[name])
        for name in ALL_NAMES
    }
    grown = int(reasons.get(GROWN, 0))
    return PictureRecord(cells["id"], float(cells["seconds"]), measurements, reasons.get(DOUBT), grown, cells["input"])


def _finite(cell: str) -> float:
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(f"{cell} is not a finite number")
    return value


def row_of(record: PictureRecord) -> list[str]:
    """The cells of `COLUMNS`, which hold everything, numbers to the last bit."""
    cells = {name: "" if m.value is None else repr(m.value) for name, m in record.measurements.items()}
    understood = _everybody_s(cells)
    reasons = {
        name: m.reason
        for name, m in record.measurements.items()
        if m.reason is not None and m.reason != understood.get(name)
    }
    if record.doubt is not None:
        reasons[DOUBT] = record.doubt
    if record.grown:
        reasons[GROWN] = str(record.grown)
    return [
        record.id,
        record.input,
        repr(record.seconds),
        *(cells[name] for name in ALL_NAMES),
        json.dumps(reasons, sort_keys=True) if reasons else "",
    ]


def _everybody_s(cells: Mapping[str, str]) -> dict[str, str]:
    """The reasons that all pictures of a run share, for the empty cells of one of them: they need not be written.

    A picture without a single number against a clean one has none.
    """
    reasons = dict.fromkeys(SAMPLE_NAMES, ONE_ANSWER)
    if not any(cells[name] for name in AGAINST_CLEAN):
        return reasons | dict.fromkeys(AGAINST_CLEAN, NO_CLEAN)
    return reasons | dict.fromkeys(IDENTITY_NAMES, IDENTITY_OFF) | dict.fromkeys(EXPRESSION_NAMES, EXPRESSION_OFF)
