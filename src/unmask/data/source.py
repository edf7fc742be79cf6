"""Faces to learn from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor

from unmask.data.dataset import PairedDataset
from unmask.data.report import Report
from unmask.faces import Faces


class FaceSource(ABC):
    """Faces with and without a face mask, by index.

    Sources are used by worker processes: they must be picklable and keep no state between faces.
    """

    @property
    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """The faces' names, ascending."""

    @property
    @abstractmethod
    def report(self) -> Report:
        """What became of the files that were found."""

    @abstractmethod
    def pair(self, index: int, seed: int) -> Faces:
        """The face with and without a face mask, as `Faces` of batch 1 with `clean`.

        Args:
            index: of `ids`.
            seed: decides how the mask is drawn, where it is drawn; the same seed gives the same pictures.
        Raises:
            UnmaskError: a file cannot be used; names it.
        """

    @abstractmethod
    def clean(self, index: int) -> Tensor:
        """(1,3,R,R) in [-1,1], the face without a face mask.

        Raises:
            UnmaskError: as `pair`.
        """


@final
class PairSource(FaceSource):
    """Pairs on disk; the seed changes nothing."""

    def __init__(self, dataset: PairedDataset) -> None:
        self._dataset = dataset

    @property
    def ids(self) -> tuple[str, ...]:
        return self._dataset.ids

    @property
    def report(self) -> Report:
        return self._dataset.report

    def pair(self, index: int, seed: int) -> Faces:
        return self._dataset[index]

    def clean(self, index: int) -> Tensor:
        clean = self._dataset.load_clean(index)
        assert clean is not None, "pairs to learn from have clean pictures"
        return clean
