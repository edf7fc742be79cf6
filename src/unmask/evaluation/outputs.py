"""The files of a run directory that the evaluation owns.

metrics.csv gets its rows as pictures finish. Where several processes evaluate, a file has one writer all the same: the
first process writes metrics.csv, process 1 metrics.1.csv, and so on. In the end, or when a run goes on that was killed,
the first process brings all rows together in metrics.csv.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.evaluation.finish import Finished
from unmask.evaluation.samples import deviation, deviation_picture
from unmask.faces import Reconstruction
from unmask.files import atomic_path, write_json
from unmask.images import load_image, save_image
from unmask.results.grid import save_grid
from unmask.results.layout import (
    GRID,
    SUMMARY,
    TABLE,
    composite_path,
    deviation_path,
    finished_records,
    hash_of,
    raw_path,
    sample_path,
    samples_dir,
    tables_of_others,
    written_samples,
)
from unmask.results.records import PictureRecord, append_record, write_records

SHARED_WITHIN_S = 60.0
"""How long a network's disk may take to show one machine what another wrote, in seconds."""


@dataclass(frozen=True)
class WrittenPictures:
    """The files of a finished picture, (3,H,W) in [-1,1].

    Attributes:
        samples: the composites of all answers; empty where there is one.
        deviation: how far these differ, see `unmask.evaluation.samples.deviation_picture`; None where there is one.
    """

    raw: Tensor
    composite: Tensor
    samples: tuple[Tensor, ...] = ()
    deviation: Tensor | None = None


@dataclass(frozen=True)
class RunOutputs:
    """A run directory being filled by this process, which adds its rows to `table`."""

    folder: Path
    table: Path

    @classmethod
    def open(cls, folder: Path, config_hash: str) -> RunOutputs:
        """For the first process, before the others `join`: keep what was finished with the same hash, drop the rows of
        anything else."""
        outputs = cls(folder, folder / TABLE)
        finished = finished_records(folder, config_hash)

        def prepare() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            outputs._write_table(finished)

        _writing(folder, prepare)
        return outputs

    @classmethod
    def join(cls, folder: Path, config_hash: str, rank: int) -> RunOutputs:
        """For process `rank` > 0, once the first has opened `folder` and written its metrics.json.

        Raises:
            UnmaskError: this machine does not see it.
        """
        deadline = time.monotonic() + SHARED_WITHIN_S
        while hash_of(folder) != config_hash:
            if time.monotonic() > deadline:
                raise UnmaskError(f"{folder} is not on a disk that all machines of the run share; name one that is.")
            time.sleep(0.2)
        return cls(folder, folder / f"metrics.{rank}.csv")

    def finished(self) -> tuple[PictureRecord, ...]:
        """The pictures that all processes have finished, in this start of the run or an earlier one."""
        return finished_records(self.folder)

    def bring_together(self, records: Sequence[PictureRecord]) -> None:
        """Where processes left tables of their own: all `records` into metrics.csv, in this order, and those away."""
        if tables_of_others(self.folder):
            _writing(self.folder, lambda: self._write_table(records))

    def write_picture(self, made: Reconstruction, finished: Finished, record: PictureRecord) -> None:
        """The files of one picture (batches of one), and last its row, which says that they are all there."""
        _writing(self.folder, lambda: self._write_picture(made, finished, record))

    def load_pictures(self, record: PictureRecord) -> WrittenPictures:
        """The files of a finished picture."""
        id = record.id
        raw, composite = load_image(raw_path(self.folder, id)), load_image(composite_path(self.folder, id))
        if not record.several:
            return WrittenPictures(raw, composite)
        samples = tuple(load_image(path) for path in written_samples(self.folder, id))
        return WrittenPictures(raw, composite, samples, load_image(deviation_path(self.folder, id)))

    def write_grid(self, grid: np.ndarray) -> None:
        """grid.png, from (H,W,3) uint8."""
        _writing(self.folder, lambda: save_grid(grid, self.folder / GRID))

    def write_summary(self, summary: dict[str, Any]) -> None:
        """metrics.json."""
        _writing(self.folder, lambda: write_json(self.folder / SUMMARY, summary))

    def _write_picture(self, made: Reconstruction, finished: Finished, record: PictureRecord) -> None:
        save_image(made.raw[0], raw_path(self.folder, record.id))
        save_image(finished.composite, composite_path(self.folder, record.id))
        self._write_samples(finished, record.id)
        if made.full is not None:
            save_image(made.full[0], self.folder / "full" / f"{record.id}.png")
        if made.w_plus is not None:
            from safetensors.torch import save_file

            with atomic_path(self.folder / "latents" / f"{record.id}.safetensors") as temporary:
                save_file({"w_plus": made.w_plus[0].contiguous()}, temporary)
        append_record(self.table, record)

    def _write_samples(self, finished: Finished, id: str) -> None:
        shutil.rmtree(samples_dir(self.folder, id), ignore_errors=True)  # whatever an earlier start left there
        if finished.samples is None:
            return
        for index, sample in enumerate(finished.samples):
            save_image(sample, sample_path(self.folder, id, index))
        save_image(deviation_picture(deviation(finished.samples)), deviation_path(self.folder, id))

    def _write_table(self, records: Sequence[PictureRecord]) -> None:
        write_records(self.folder / TABLE, records)
        for path in tables_of_others(self.folder):
            path.unlink()


def _writing(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise UnmaskError(
            f"{folder}: cannot write the results ({error}). Finished pictures are kept: make room, then run "
            "the same command in the same directory to go on."
        ) from error
