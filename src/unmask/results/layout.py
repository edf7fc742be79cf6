"""The run directory: what lies where in it, and what state it is in.

metrics.json          state and means          metrics.csv    a row per finished picture
raw/, composite/      a picture per id         grid.png       some of them side by side
samples/, deviation/  of several answers       failed.json    why a job of a sweep ended early
occlusion/            where the face mask is   latents/       w_plus
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.files import write_text
from unmask.results.records import PictureRecord, read_records

log = logging.getLogger(__name__)

SUMMARY = "metrics.json"
TABLE = "metrics.csv"
GRID = "grid.png"
FAILURE_FILE = "failed.json"


def finished_ids(folder: Path, config_hash: str | None = None) -> frozenset[str]:
    """The pictures finished in `folder` (row and files are there), with this hash if one is given."""
    return frozenset(record.id for record in finished_records(folder, config_hash))


def finished_records(folder: Path, config_hash: str | None = None) -> tuple[PictureRecord, ...]:
    """The records of `finished_ids`, in the order of metrics.csv and then of the other processes' tables."""
    if config_hash is not None and hash_of(folder) != config_hash:
        return ()
    tables = (folder / TABLE, *tables_of_others(folder))
    records = {record.id: record for table in tables for record in read_records(table)}
    return tuple(record for record in records.values() if all(path.is_file() for path in _files(folder, record)))


def tables_of_others(folder: Path) -> list[Path]:
    return sorted(folder.glob("metrics.*.csv"))


def hash_of(folder: Path) -> str | None:
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return str(summary["config_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing was begun here, or by something else


def raw_path(folder: Path, id: str) -> Path:
    return folder / "raw" / f"{id}.png"


def composite_path(folder: Path, id: str) -> Path:
    return folder / "composite" / f"{id}.png"


def samples_dir(folder: Path, id: str) -> Path:
    return folder / "samples" / id


def sample_path(folder: Path, id: str, index: int) -> Path:
    return samples_dir(folder, id) / f"{index}.png"


def raw_sample_path(folder: Path, id: str, index: int) -> Path:
    """As the method generated it; the first is raw/ID.png."""
    return samples_dir(folder, id) / "raw" / f"{index}.png"


def occlusion_path(folder: Path, id: str) -> Path:
    return folder / "occlusion" / f"{id}.png"


def deviation_path(folder: Path, id: str) -> Path:
    return folder / "deviation" / f"{id}.png"


def _files(folder: Path, record: PictureRecord) -> tuple[Path, ...]:
    """Without which a picture is not finished."""
    of_all = (raw_path(folder, record.id), composite_path(folder, record.id))
    of_several = (sample_path(folder, record.id, 0), deviation_path(folder, record.id))
    return (*of_all, *of_several) if record.several else of_all


def read_report(run_dir: Path) -> dict[str, Any]:
    """The content of metrics.json, empty where there is none."""
    path = run_dir / SUMMARY
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def is_complete(run_dir: Path, config_hash: str) -> bool:
    """Whether `run_dir` holds the finished results of exactly this configuration."""
    report = read_report(run_dir)
    return report.get("status") == "complete" and report.get("config_hash") == config_hash


def record_failure(run_dir: Path, reason: str) -> None:
    """Leave a note in a job's directory that it ended with an error; on a full disk there is none."""
    with if_there_is_room(run_dir):
        write_text(run_dir / FAILURE_FILE, json.dumps({"reason": reason}, indent=2) + "\n")


def forget_failure(run_dir: Path) -> None:
    """Remove the note of an earlier attempt."""
    (run_dir / FAILURE_FILE).unlink(missing_ok=True)


@contextmanager
def if_there_is_room(run_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("%s: no note of the failure can be left (%s)", run_dir, error.strerror)
