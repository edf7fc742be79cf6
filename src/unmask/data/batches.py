"""Batches of `Faces` in the order of the ids; pictures that cannot be decoded are skipped and remembered."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, final

import torch
from torch.utils.data import DataLoader, Dataset

from unmask.data.dataset import FacesDataset, PairedDataset
from unmask.data.report import Report
from unmask.errors import UnmaskError
from unmask.faces import Doubt, Faces, Failure, Original, none_usable

logger = logging.getLogger(__name__)


@final
class Batches:
    """Iterate for `Faces` of up to `batch_size` pictures; iterate again for the same ones.

    Attributes:
        undecodable: the pictures skipped in the latest iteration so far, and why.
        doubts: the pictures of that iteration whose occlusion may be wrong, and why.
    """

    def __init__(
        self, dataset: FacesDataset, batch_size: int, num_workers: int = 0, ids: Sequence[str] | None = None
    ) -> None:
        self.undecodable: tuple[Failure, ...] = ()
        self.doubts: tuple[Doubt, ...] = ()
        self._dataset = dataset
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._whole = ids is None
        place = {id: index for index, id in enumerate(dataset.ids)}
        self._indices = list(place.values()) if ids is None else [place[id] for id in ids]

    def __len__(self) -> int:
        """How many batches there are when every picture can be decoded."""
        return math.ceil(len(self._indices) / self._batch_size)

    @property
    def report(self) -> Report:
        """The report of the dataset, with what the latest iteration could not decode and what it doubts."""
        return self._dataset.report.with_undecodable(self.undecodable).with_doubts(self.doubts)

    def __iter__(self) -> Iterator[Faces]:
        """A batch with undecodable pictures is smaller; one without any decodable picture is left out.

        Raises:
            UnmaskError: with `data.strict` at the first picture that cannot be decoded; otherwise at the end,
                if none of the dataset could be.
        """
        self.undecodable = ()
        self.doubts = ()
        any_decoded = False
        loader = DataLoader(
            _Attempts[Faces](self._dataset.ids, self._indices, self._dataset.__getitem__),
            self._batch_size,
            num_workers=self._num_workers,
            collate_fn=_as_they_are,
        )
        for attempts in loader:
            failures = tuple(attempt for attempt in attempts if isinstance(attempt, Failure))
            for failure in failures:
                if self._dataset.strict:
                    raise UnmaskError(f"{failure.reason} (data.strict=true; with false it would be skipped)")
                logger.warning("Skipped %s: %s", failure.id, failure.reason)
            self.undecodable += failures
            faces = [attempt for attempt in attempts if isinstance(attempt, Faces)]
            if faces:
                any_decoded = True
                batch = collate(faces)
                self.doubts += batch.doubts
                yield batch
        if self._whole and not any_decoded:
            raise none_usable(self.undecodable)


def batches(dataset: FacesDataset, batch_size: int, num_workers: int = 0, ids: Sequence[str] | None = None) -> Batches:
    """`Faces` of up to `batch_size` pictures, ascending by id, decoded by `num_workers` processes.

    With 0 this process decodes. With `ids` there are only these, in their order, and it is no error if none can be
    decoded.
    """
    return Batches(dataset, batch_size, num_workers, ids)


def originals(dataset: PairedDataset, ids: Sequence[str], num_workers: int = 0) -> Iterator[Original]:
    """The files of `ids` in this order, one by one, decoded by `num_workers` processes; those that cannot be decoded
    are left out."""
    place = {id: index for index, id in enumerate(dataset.ids)}
    attempts = _Attempts[Original](dataset.ids, [place[id] for id in ids], dataset.read)
    for (attempt,) in DataLoader(attempts, 1, num_workers=num_workers, collate_fn=_as_they_are):
        if isinstance(attempt, Original):
            yield attempt


def collate(faces: list[Faces]) -> Faces:
    """Join batches of one resolution into one; either all of them have clean pictures or none has."""
    cleans = [one.clean for one in faces if one.clean is not None]
    grown = [one.grown for one in faces if one.grown is not None]
    corners = [one.corners for one in faces if one.corners is not None]
    for some, what in ((cleans, "clean pictures"), (grown, "grown occlusions"), (corners, "corners")):
        assert len(some) in (0, len(faces)), f"a dataset has {what} for all ids or for none"
    return Faces(
        ids=tuple(id for one in faces for id in one.ids),
        masked=torch.cat([one.masked for one in faces]),
        occlusion=torch.cat([one.occlusion for one in faces]),
        hole=torch.cat([one.hole for one in faces]),
        clean=torch.cat(cleans) if cleans else None,
        doubts=tuple(doubt for one in faces for doubt in one.doubts),
        grown=torch.cat(grown) if grown else None,
        contents=tuple(content for one in faces for content in one.contents),
        corners=torch.cat(corners) if corners else None,
        references=tuple(pictures for one in faces for pictures in one.references),
    )


Item = TypeVar("Item", Faces, Original)


class _Attempts(Dataset["Item | Failure"], Generic[Item]):
    """What `read` gives for `indices`, with its errors as values, so that they come back from worker processes one by
    one."""

    def __init__(self, ids: Sequence[str], indices: Sequence[int], read: Callable[[int], Item]) -> None:
        self._ids = ids
        self._indices = indices
        self._read: Callable[[int], Item] = read

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: int) -> Item | Failure:
        index = self._indices[place]
        try:
            return self._read(index)
        except UnmaskError as error:
            return Failure(self._ids[index], str(error))


def _as_they_are(attempts: list[Item | Failure]) -> list[Item | Failure]:
    return attempts
