"""What a run leaves behind to be looked at: TensorBoard events, and the same numbers as JSON lines.

Tags are chosen so that runs of different methods line up in TensorBoard, which sorts them; metrics come before losses:
    ``emerging/NAME`` a curve per metric of the hole, over percent of the way: mean of the first pictures
    ``metrics/NAME`` means over all pictures, one value at the end, also in the hparams table
    ``objective/NAME`` a curve per loss, over steps, mean of all pictures (of those since the last point, in training)
    ``objective/NAME/ID`` the same for one picture
    ``training/...``, ``validation/NAME`` of methods that learn: learning rate and speed; means over the val part
    ``pictures/...`` pictures
    ``config`` the whole configuration, as text
Everything, hparams included, is in one event file, so a run directory is one run.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, final

from torch import Tensor

from unmask.columns import Column
from unmask.images import to_uint8


class RunLog(ABC):
    """Where numbers and pictures of a run go; close it, or use it as a context manager."""

    @abstractmethod
    def scalar(self, tag: str, value: float, step: int) -> None:
        """One point of a curve; a value that is not finite becomes null in JSON."""

    @abstractmethod
    def image(self, tag: str, image: Tensor, step: int) -> None:
        """A (3,H,W) RGB picture in [-1,1] (clamped)."""

    @abstractmethod
    def hparams(self, columns: Sequence[Column], metrics: Mapping[str, float | None]) -> None:
        """The row of this run in TensorBoard's HPARAMS table, once, at the end.

        Args:
            columns: the cells of this run, in the order in which they are to be shown.
            metrics: name -> mean, logged under ``metrics/NAME``, in that order; None is a column without a value, so
                give every name.
        """

    @abstractmethod
    def text(self, tag: str, markdown: str) -> None:
        """A page of Markdown."""

    @abstractmethod
    def flush(self) -> None:
        """Bring everything so far to disk."""

    @abstractmethod
    def close(self) -> None:
        """Flush and end; closing twice is harmless."""

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@final
class TensorBoardLog(RunLog):
    """Events beside ``scalars.jsonl`` ({"tag", "step", "value"} a line) in one folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer: Any = SummaryWriter(log_dir=str(folder))
        self._lines: TextIO = (folder / "scalars.jsonl").open("a", encoding="utf-8")
        self._closed = False

    def scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)
        finite = value if math.isfinite(value) else None
        self._lines.write(json.dumps({"tag": tag, "step": step, "value": finite}, allow_nan=False) + "\n")

    def image(self, tag: str, image: Tensor, step: int) -> None:
        self._writer.add_image(tag, to_uint8(image), step, dataformats="HWC")

    def hparams(self, columns: Sequence[Column], metrics: Mapping[str, float | None]) -> None:
        from torch.utils.tensorboard.summary import hparams

        tagged = {f"metrics/{name}": float(value) for name, value in metrics.items() if value is not None}
        # torch makes columns from values: examples stand in for what this run has none of, and are not logged
        examples = {one.name: one.kind() if one.value is None else one.value for one in columns}
        declared, _, _ = hparams(examples, {f"metrics/{name}": 0.0 for name in metrics})
        _, start, end = hparams({one.name: one.value for one in columns if one.value is not None}, tagged)
        # SummaryWriter.add_hparams opens a second event directory, which TensorBoard shows as a second run
        for summary in (declared, start, end):
            self._writer.file_writer.add_summary(summary)
        for tag, value in tagged.items():
            self.scalar(tag, value, 0)
        self.flush()

    def text(self, tag: str, markdown: str) -> None:
        self._writer.add_text(tag, markdown, 0)

    def flush(self) -> None:
        self._writer.flush()
        self._lines.flush()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._lines.close()


class NullRunLog(RunLog):
    """Keeps nothing; for tests and for library use."""

    def scalar(self, tag: str, value: float, step: int) -> None:
        pass

    def image(self, tag: str, image: Tensor, step: int) -> None:
        pass

    def hparams(self, columns: Sequence[Column], metrics: Mapping[str, float | None]) -> None:
        pass

    def text(self, tag: str, markdown: str) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
