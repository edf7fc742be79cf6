"""The files of a run directory that the evaluation owns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.evaluation.records import PictureRecord, append_record, read_records, write_records
from unmask.evaluation.report import save_grid
from unmask.faces import Reconstruction
from unmask.files import atomic_path, write_json
from unmask.images import load_image, save_image


@dataclass(frozen=True)
class RunOutputs:
    """A run directory being filled; `finished` are the pictures an interrupted evaluation left there."""

    folder: Path
    finished: tuple[PictureRecord, ...]

    @classmethod
    def open(cls, folder: Path, config_hash: str) -> RunOutputs:
        """Prepare `folder`: keep what was finished with the same hash, drop the rows of anything else."""
        finished = finished_records(folder, config_hash)

        def prepare() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            write_records(folder / "metrics.csv", finished)

        _writing(folder, prepare)
        return cls(folder, finished)

    def write_picture(self, made: Reconstruction, composite: Tensor, record: PictureRecord) -> None:
        """The files of one picture (batches of one), and last its row, which says that they are all there."""
        _writing(self.folder, lambda: self._write_picture(made, composite, record))

    def load_pictures(self, id: str) -> tuple[Tensor, Tensor]:
        """Raw and composite of a finished picture, (3,H,W) in [-1,1]."""
        return load_image(_raw(self.folder, id)), load_image(_composite(self.folder, id))

    def write_grid(self, grid: np.ndarray) -> None:
        """grid.png, from (H,W,3) uint8."""
        _writing(self.folder, lambda: save_grid(grid, self.folder / "grid.png"))

    def write_summary(self, summary: dict[str, Any]) -> None:
        """metrics.json."""
        _writing(self.folder, lambda: write_json(self.folder / "metrics.json", summary))

    def _write_picture(self, made: Reconstruction, composite: Tensor, record: PictureRecord) -> None:
        save_image(made.raw[0], _raw(self.folder, record.id))
        save_image(composite[0], _composite(self.folder, record.id))
        if made.full is not None:
            save_image(made.full[0], self.folder / "full" / f"{record.id}.png")
        if made.w_plus is not None:
            from safetensors.torch import save_file

            with atomic_path(self.folder / "latents" / f"{record.id}.safetensors") as temporary:
                save_file({"w_plus": made.w_plus[0].contiguous()}, temporary)
        append_record(self.folder / "metrics.csv", record)


def finished_ids(folder: Path, config_hash: str | None = None) -> frozenset[str]:
    """The pictures finished in `folder` (row and files are there), with this hash if one is given."""
    return frozenset(record.id for record in finished_records(folder, config_hash))


def finished_records(folder: Path, config_hash: str | None = None) -> tuple[PictureRecord, ...]:
    """The records of `finished_ids`, in the order of metrics.csv."""
    if config_hash is not None and _hash_of(folder) != config_hash:
        return ()
    return tuple(
        record
        for record in read_records(folder / "metrics.csv")
        if _raw(folder, record.id).is_file() and _composite(folder, record.id).is_file()
    )


def _hash_of(folder: Path) -> str | None:
    try:
        summary = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return str(summary["config_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing was begun here, or by something else


def _raw(folder: Path, id: str) -> Path:
    return folder / "raw" / f"{id}.png"


def _composite(folder: Path, id: str) -> Path:
    return folder / "composite" / f"{id}.png"


def _writing(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise UnmaskError(
            f"{folder}: cannot write the results ({error}). Finished pictures are kept: make room, then run "
            "the same command in the same directory to go on."
        ) from error
