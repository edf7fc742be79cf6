"""CSV files with a row for each picture: the first line names the columns, one of which is `id`."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unmask.errors import UnmaskError


@dataclass(frozen=True)
class Row:
    """
    Attributes:
        line: where the row ends in the file, from 1.
        id: composed (NFC), as the ids of files in folders are.
        cells: column -> text without blanks around it; every column of the table but `id`.
    """

    line: int
    id: str
    cells: dict[str, str]


@dataclass(frozen=True)
class IdTable:
    """
    Attributes:
        path: the file.
        key: the option that names the file.
        columns: all but `id`, in their order.
        rows: in their order, no two with one id.
    """

    path: Path
    key: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def fault(self, what: str, line: int | None = None, column: str | None = None) -> UnmaskError:
        """The error that `what` is wrong there."""
        return _fault(self.path, self.key, what, line, column)


def read_id_table(path: Path, key: str) -> IdTable:
    """Read a table; blank lines are skipped, and a byte order mark, which spreadsheets write.

    Args:
        path: comma-separated, UTF-8.
        key: the option that names the file, for messages.
    Raises:
        UnmaskError: it is missing, empty or no such table, or an id is empty or stands there twice; names file, line
            and column.
    """
    lines = _lines(path, key)
    _, header = next(lines, (0, []))
    if not header:
        raise _fault(path, key, "is empty; its first line must name the columns")
    for column in header:
        if header.count(column) > 1:
            raise _fault(path, key, "stands there twice", 1, column)
    if "id" not in header:
        separated = "" if len(header) > 1 else "; commas separate columns"
        raise _fault(path, key, f"no column id, only {', '.join(header)}{separated}", 1)
    rows: dict[str, Row] = {}
    for line, texts in lines:
        if len(texts) != len(header):
            raise _fault(path, key, f"has {len(texts)} cells, and the first line {len(header)}", line)
        cells = dict(zip(header, texts, strict=True))
        id = unicodedata.normalize("NFC", cells.pop("id"))
        if not id:
            raise _fault(path, key, "is empty", line, "id")
        if id in rows:
            raise _fault(path, key, f"{id} stands in line {rows[id].line} already", line, "id")
        rows[id] = Row(line, id, cells)
    if not rows:
        raise _fault(path, key, "has a first line and no rows")
    return IdTable(path, key, tuple(column for column in header if column != "id"), tuple(rows.values()))


def _lines(path: Path, key: str) -> Iterator[tuple[int, list[str]]]:
    """(line, the texts of its cells) for each that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                for cells in reader:
                    texts = [cell.strip() for cell in cells]
                    if any(texts):
                        yield reader.line_num, texts
            except csv.Error as error:
                raise _fault(path, key, str(error), reader.line_num) from error
    except FileNotFoundError as error:
        raise _fault(path, key, "no such file") from error
    except OSError as error:
        raise _fault(path, key, f"cannot be opened ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _fault(path, key, "is not UTF-8") from error


def _fault(path: Path, key: str, what: str, line: int | None = None, column: str | None = None) -> UnmaskError:
    place = "" if line is None else f" line {line}:" if column is None else f" line {line}, column {column}:"
    return UnmaskError(f"{path}:{place} {what} ({key}).")
