"""A data set of any layout, by a table of its files (`data.manifest`)."""

from __future__ import annotations

from pathlib import Path

from unmask.config import DataConfig, HoleConfig, OcclusionSource
from unmask.data.id_table import IdTable, Row, read_id_table
from unmask.data.listing import Kind, Listing
from unmask.errors import UnmaskError
from unmask.occlusion.base import WAYS_OUT

COLUMNS = ("masked", "clean", "occlusion")
"""Beside `id`; only `masked` must be there, and only its cells must be filled."""
LONGEST_ID = 200
"""Bytes: file systems take names of 255, and results are named after the id with an ending."""


def list_manifest(manifest: str, data: DataConfig, occlusion: HoleConfig) -> Listing:
    """The files that the CSV `manifest` names; relative paths begin at its folder.

    Raises:
        UnmaskError: it is no table of pictures, names a file that is not there or an id that cannot name files, has
            nothing for the source of the occlusion, or folders are given besides.
    """
    _refuse_folders(manifest, data, occlusion)
    table = read_id_table(Path(manifest).expanduser(), "data.manifest")
    for column in table.columns:
        if column not in COLUMNS:
            raise table.fault(f"unknown; the columns are {', '.join(('id', *COLUMNS))}", 1, column)
    if "masked" not in table.columns:
        raise table.fault("no column masked", 1)
    for row in table.rows:
        _check_id(table, row)
    masked, clean, painted = (_kind(table, column) for column in COLUMNS)
    assert masked is not None
    if occlusion.source is OcclusionSource.painted and painted is None:
        raise UnmaskError(f"{table.path}: no occlusions (column occlusion) for occlusion=painted. {WAYS_OUT}")
    if occlusion.source is OcclusionSource.difference and clean is None:
        raise UnmaskError(f"{table.path}: no clean pictures (column clean) for occlusion=difference. {WAYS_OUT}")
    return Listing(masked, clean, painted if occlusion.takes_painted else None)


def _kind(table: IdTable, column: str) -> Kind | None:
    """The files in a column, or None if it is empty or absent."""
    files = {}
    for row in table.rows:
        cell = row.cells.get(column, "")
        if cell:
            files[row.id] = table.path.parent / Path(cell).expanduser()
            if not files[row.id].is_file():
                raise table.fault(f"no file {files[row.id]}", row.line, column)
        elif column == "masked":
            raise table.fault("is empty", row.line, column)
    return Kind(files, table.path, f"column {column}") if files else None


def _check_id(table: IdTable, row: Row) -> None:
    """What a run makes of a picture is named after its id."""
    if (
        row.id.startswith(".")
        or any(character in "/\\" or not character.isprintable() for character in row.id)
        or len(row.id.encode()) > LONGEST_ID
    ):
        raise table.fault(
            f"{row.id!r} cannot be the name of a file: no slashes, no control characters, no dot in front, at most "
            f"{LONGEST_ID} bytes",
            row.line,
            "id",
        )


def _refuse_folders(manifest: str, data: DataConfig, occlusion: HoleConfig) -> None:
    """Two answers to where pictures are would leave open which one holds."""
    for key, value in (
        ("data.root", data.root),
        ("data.clean_dir", data.clean_dir),
        ("data.masked_dir", data.masked_dir),
        ("occlusion.painted_dir", occlusion.painted_dir),
    ):
        if value is not None:
            raise UnmaskError(
                f"{key}={value} and data.manifest={manifest}: the pictures are either in folders or in a manifest. "
                "Use data=manifest and name no folders."
            )
