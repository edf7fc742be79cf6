"""One sample of a training: a face with a face mask and one without, varied at random."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar, final

from torch.utils.data import Dataset

from unmask.data.augment import Augmentation, place, place_faces
from unmask.data.order import SampleKey
from unmask.data.source import FaceSource
from unmask.data.splits import in_masked_half
from unmask.errors import UnmaskError
from unmask.faces import Faces, Failure, Pairing, TrainingBatch, none_usable
from unmask.seeds import Stream, generator_at

Item = TypeVar("Item")


class TrainingSamples(Dataset[TrainingBatch], ABC):
    """`TrainingBatch` of one by `SampleKey`; the same key and seed give the same sample, to the bit."""

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int, *, strict: bool) -> None:
        self._source = source
        self._augmentation = augmentation
        self._seed = seed
        self._strict = strict

    @abstractmethod
    def __len__(self) -> int:
        """How many faces with a face mask an epoch has; the range of `SampleKey.index`."""

    @abstractmethod
    def name_of(self, key: SampleKey) -> str:
        """The id of the face with a face mask."""

    @abstractmethod
    def __getitem__(self, key: SampleKey) -> TrainingBatch:
        """Decode, draw and augment.

        Raises:
            UnmaskError: a file cannot be used; names it.
        """

    def _first_usable(
        self, indices: Sequence[int], start: int, load: Callable[[int], Item]
    ) -> tuple[int, Item, tuple[Failure, ...]]:
        """What `load` gives of the first of `indices`, from place `start` on and round, that can be used; and what is
        wrong with those before it. The same files give the same answer, so that a training stays repeatable.

        Raises:
            UnmaskError: none can be used; with `strict`, the first cannot.
        """
        failures: list[Failure] = []
        for place_of in range(start, start + len(indices)):
            index = indices[place_of % len(indices)]
            try:
                return index, load(index), tuple(failures)
            except UnmaskError as error:
                if self._strict:
                    raise
                failures.append(Failure(self._source.ids[index], str(error)))
        raise none_usable(failures)

    def _with_mask(self, index: int, key: SampleKey) -> Faces:
        """Face `index` of the source, cropped."""
        seed = int(generator_at(self._seed, Stream.face_mask, key.epoch, key.position).integers(2**31))
        placement = self._augmentation.draw(
            generator_at(self._seed, Stream.masked_placement, key.epoch, key.position),
        )
        return place_faces(self._source.pair(index, seed), placement)


@final
class PairedSamples(TrainingSamples):
    """The same face with and without its mask, cropped alike."""

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int, *, strict: bool = True) -> None:
        super().__init__(source, augmentation, seed, strict=strict)
        self._ids = source.ids

    def __len__(self) -> int:
        return len(self._ids)

    def name_of(self, key: SampleKey) -> str:
        return self._ids[key.index]

    def __getitem__(self, key: SampleKey) -> TrainingBatch:
        _, faces, replaced = self._first_usable(
            range(len(self._ids)), key.index, lambda index: self._with_mask(index, key)
        )
        assert faces.clean is not None
        return TrainingBatch(faces.ids, faces.ids, faces.masked, faces.hole, faces.clean, replaced)


@final
class UnpairedSamples(TrainingSamples):
    """A face of one half of the ids with its mask, and a random one of the other half without.

    The halves are fixed by a hash of the ids, so that nobody is ever seen on both sides, whatever the seed.
    """

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int, *, strict: bool = True) -> None:
        """Divide the faces of `source`.

        Raises:
            UnmaskError: a half is empty.
        """
        super().__init__(source, augmentation, seed, strict=strict)
        self._ids = source.ids
        self._masked = tuple(index for index, id in enumerate(self._ids) if in_masked_half(id))
        self._clean = tuple(index for index, id in enumerate(self._ids) if not in_masked_half(id))
        if not self._masked or not self._clean:
            lacking = "with" if not self._masked else "without"
            raise UnmaskError(
                f"Unpaired training divides the faces into two halves by a hash of their ids, and with "
                f"{', '.join(self._ids[:5])} there is none {lacking} a face mask; train on more faces "
                "(training.limit, training.root, data.root)."
            )

    def __len__(self) -> int:
        return len(self._masked)

    def name_of(self, key: SampleKey) -> str:
        return self._ids[self._masked[key.index]]

    def __getitem__(self, key: SampleKey) -> TrainingBatch:
        _, faces, replaced = self._first_usable(self._masked, key.index, lambda index: self._with_mask(index, key))
        generator = generator_at(self._seed, Stream.partner, key.epoch, key.position)
        drawn = int(generator.integers(len(self._clean)))
        placement = self._augmentation.draw(
            generator_at(self._seed, Stream.clean_placement, key.epoch, key.position),
        )
        partner, whole, more = self._first_usable(self._clean, drawn, self._source.clean)
        clean = place(whole, placement)
        return TrainingBatch(faces.ids, (self._ids[partner],), faces.masked, faces.hole, clean, replaced + more)


def make_samples(
    source: FaceSource, pairing: Pairing, augmentation: Augmentation, seed: int, *, strict: bool = True
) -> TrainingSamples:
    """The samples of a training.

    Args:
        strict: a face that cannot be used is an error; else the next one that can takes its place.
    Raises:
        UnmaskError: too few faces for unpaired training.
    """
    kind = PairedSamples if pairing is Pairing.paired else UnpairedSamples
    return kind(source, augmentation, seed, strict=strict)
