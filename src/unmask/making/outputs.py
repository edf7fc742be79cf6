"""The files of a run directory as they are written.

metrics.csv gets its rows as pictures finish. Where several processes evaluate, a file has one writer all the same: the
first process writes metrics.csv, process 1 metrics.1.csv, and so on. In the end, or when a run goes on that was killed,
the first process brings all rows together in metrics.csv.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.errors import UnmaskError
from unmask.faces import Faces, Reconstruction
from unmask.files import atomic_path, write_json
from unmask.images import save_image
from unmask.making.join import Composites
from unmask.results.deviation import deviation, deviation_picture
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
    raw_sample_path,
    sample_path,
    samples_dir,
    tables_of_others,
)
from unmask.results.pictures import Hidden, write_hidden
from unmask.results.records import PictureRecord, append_record, write_records
from unmask.results.summary import EvaluationResult

logger = logging.getLogger(__name__)

SHARED_WITHIN_S = 60.0
"""How long a network's disk may take to show one machine what another wrote, in seconds."""


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
    def of(cls, folder: Path) -> RunOutputs:
        """A run directory that is there, as it is."""
        return cls(folder, folder / TABLE)

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

    def write_table(self, records: Sequence[PictureRecord]) -> None:
        """metrics.csv anew, with a row for each of all `records` in this order; the other processes' tables go."""
        _writing(self.folder, lambda: self._write_table(records))

    def write_picture(self, one: Faces, made: Reconstruction, composites: Composites, record: PictureRecord) -> None:
        """The files of one picture (batches of one), and last its row, which says that they are all there."""
        _writing(self.folder, lambda: self._write_picture(one, made, composites, record))

    def write_record(self, record: PictureRecord) -> None:
        """The row of a picture that is there already, with other measurements: of two rows the last one holds."""
        _writing(self.folder, lambda: append_record(self.table, record))

    def write_grid(self, grid: np.ndarray) -> None:
        """grid.png, from (H,W,3) uint8."""
        _writing(self.folder, lambda: save_grid(grid, self.folder / GRID))

    def write_summary(self, summary: dict[str, Any]) -> None:
        """metrics.json."""
        _writing(self.folder, lambda: write_json(self.folder / SUMMARY, summary))

    def leave_incomplete(self, result: EvaluationResult) -> None:
        """After an exception, Ctrl-C included, a directory that says what is in it; on a full disk it does already,
        from the start."""
        try:
            self.write_summary(result.to_json())
            self.write_table(self.finished())
        except (UnmaskError, OSError) as error:
            logger.error("The run directory could not be updated: %s", error)

    def _write_picture(self, one: Faces, made: Reconstruction, composites: Composites, record: PictureRecord) -> None:
        id = record.id
        save_image(made.raw[0], raw_path(self.folder, id))
        save_image(composites.composite, composite_path(self.folder, id))
        write_hidden(self.folder, id, Hidden(one.occlusion[0], one.filled[0]))
        self._write_samples(made, composites, id)
        if made.full is not None:
            save_image(made.full[0], self.folder / "full" / f"{id}.png")
        if made.w_plus is not None:
            from safetensors.torch import save_file

            with atomic_path(self.folder / "latents" / f"{id}.safetensors") as temporary:
                save_file({"w_plus": made.w_plus[0].contiguous()}, temporary)
        append_record(self.table, record)

    def _write_samples(self, made: Reconstruction, composites: Composites, id: str) -> None:
        shutil.rmtree(samples_dir(self.folder, id), ignore_errors=True)  # whatever an earlier start left there
        if composites.samples is None or made.samples is None:
            return
        for index, sample in enumerate(composites.samples):
            save_image(sample, sample_path(self.folder, id, index))
            if index > 0:
                save_image(made.samples[0, index], raw_sample_path(self.folder, id, index))
        save_image(deviation_picture(deviation(composites.samples)), deviation_path(self.folder, id))

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
