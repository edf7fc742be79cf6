"""Run directories found and read back."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unmask.errors import UnmaskError
from unmask.results.layout import SUMMARY, TABLE, composite_path
from unmask.results.records import PictureRecord, read_records
from unmask.results.summary import EvaluationResult

OUTPUTS = Path("outputs")
"""Where runs are looked for when none is named, from the current directory."""
GROUPS = ("method", "data", "occlusion")
"""Groups of options that a comparison reads."""
WAY_OUT = "Name other runs, or remove this directory and run it again."


@dataclass(frozen=True)
class FinishedRun:
    """What a run directory holds of the evaluation.

    Attributes:
        folder: the run directory.
        result: its metrics.json.
        records: the rows of its metrics.csv, ascending by id.
        config: its config.yaml.
    """

    folder: Path
    result: EvaluationResult
    records: tuple[PictureRecord, ...]
    config: DictConfig

    @property
    def ids(self) -> tuple[str, ...]:
        """Its finished pictures, ascending."""
        return tuple(record.id for record in self.records)

    @property
    def inputs(self) -> dict[str, str]:
        """Id -> what tells the picture from others, "" where its version did not say; ascending by id."""
        return {record.id: record.input for record in self.records}

    def records_of(self, ids: Sequence[str]) -> tuple[PictureRecord, ...]:
        """Those of `ids`, which it has, in this order."""
        by_id = {record.id: record for record in self.records}
        return tuple(by_id[id] for id in ids)

    @property
    def missing(self) -> Path | None:
        """The first composite that is not there any more; None where all are."""
        return next((path for id in self.ids if not (path := self.composite(id)).is_file()), None)

    def composite(self, id: str) -> Path:
        """The file of a picture's composite."""
        return composite_path(self.folder, id)


def find_runs(given: Sequence[str]) -> tuple[Path, ...]:
    """The run directories that are meant by `given`, each once: directories, patterns, or folders of runs.

    Raises:
        UnmaskError: one of them leads to no run.
    """
    found: dict[Path, Path] = {}
    for name in given:
        # a directory's own name may look like a pattern
        matches = [name] if Path(name).exists() else sorted(glob(name, recursive=True))  # noqa: PTH207 - may be absolute
        runs = [run for match in matches for run in _runs_below(Path(match))]
        if not runs:
            raise UnmaskError(
                f"{name}: no run there (from {Path.cwd()}). A run is a directory with metrics.json, "
                "as `python -m unmask.run method=copy` leaves one below outputs/."
            )
        for run in runs:
            found.setdefault(run.resolve(), run)
    return tuple(found.values())


def read_run(folder: Path) -> FinishedRun:
    """Read a run directory back.

    Raises:
        UnmaskError: a file is missing or damaged; names it.
    """
    result = _read_result(folder / SUMMARY)
    records = _read_records(folder / TABLE, result)
    return FinishedRun(folder, result, records, _read_config(folder / "config.yaml"))


def _runs_below(folder: Path) -> Iterator[Path]:
    """`folder` itself where it is a run, otherwise the runs below; nothing inside a run is one."""
    for directory, below, files in os.walk(folder):
        if SUMMARY in files:
            below.clear()
            yield Path(directory)
        below[:] = sorted(name for name in below if not name.startswith("."))


def _read_result(path: Path) -> EvaluationResult:
    try:
        return EvaluationResult.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnmaskError(f"{path}: damaged ({type(error).__name__}: {error}). {WAY_OUT}") from error


def _read_records(path: Path, result: EvaluationResult) -> tuple[PictureRecord, ...]:
    if not path.is_file():
        raise UnmaskError(f"{path}: missing. {WAY_OUT}")
    try:
        records = {record.id: record for record in read_records(path)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UnmaskError(f"{path}: damaged ({type(error).__name__}: {error}). {WAY_OUT}") from error
    if result.complete and len(records) != result.n:
        raise UnmaskError(
            f"{path}: damaged ({len(records)} pictures can be read, metrics.json has {result.n}). {WAY_OUT}"
        )
    return tuple(records[id] for id in sorted(records))


def _read_config(path: Path) -> DictConfig:
    try:
        config = OmegaConf.load(path)
        if not isinstance(config, DictConfig):
            raise UnmaskError(f"{path}: damaged (not a configuration). {WAY_OUT}")
        OmegaConf.resolve(config)  # what refers to nothing is told here
        groups = [group for group in GROUPS if not isinstance(config.get(group, {}), (Mapping, DictConfig))]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise UnmaskError(f"{path}: missing or damaged ({reason}). {WAY_OUT}") from error
    if groups:
        raise UnmaskError(f"{path}: damaged ({', '.join(groups)}: not a group of options). {WAY_OUT}")
    return config
