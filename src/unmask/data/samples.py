"""One sample of a training: a face with a face mask and one without, varied at random."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch.utils.data import Dataset

from unmask.data.augment import Augmentation, place, place_faces
from unmask.data.order import SampleKey
from unmask.data.seeds import Stream, generator_at
from unmask.data.source import FaceSource
from unmask.data.splits import in_masked_half
from unmask.errors import UnmaskError
from unmask.faces import Faces, Pairing, TrainingBatch


class TrainingSamples(Dataset[TrainingBatch], ABC):
    """`TrainingBatch` of one by `SampleKey`; the same key and seed give the same sample, to the bit."""

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int) -> None:
        self._source = source
        self._augmentation = augmentation
        self._seed = seed

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

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int) -> None:
        super().__init__(source, augmentation, seed)
        self._ids = source.ids

    def __len__(self) -> int:
        return len(self._ids)

    def name_of(self, key: SampleKey) -> str:
        return self._ids[key.index]

    def __getitem__(self, key: SampleKey) -> TrainingBatch:
        faces = self._with_mask(key.index, key)
        assert faces.clean is not None
        return TrainingBatch(faces.ids, faces.ids, faces.masked, faces.hole, faces.clean)


@final
class UnpairedSamples(TrainingSamples):
    """A face of one half of the ids with its mask, and a random one of the other half without.

    The halves are fixed by a hash of the ids, so that nobody is ever seen on both sides, whatever the seed.
    """

    def __init__(self, source: FaceSource, augmentation: Augmentation, seed: int) -> None:
        """Divide the faces of `source`.

        Raises:
            UnmaskError: a half is empty.
        """
        super().__init__(source, augmentation, seed)
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
        faces = self._with_mask(self._masked[key.index], key)
        generator = generator_at(self._seed, Stream.partner, key.epoch, key.position)
        partner = self._clean[int(generator.integers(len(self._clean)))]
        placement = self._augmentation.draw(
            generator_at(self._seed, Stream.clean_placement, key.epoch, key.position),
        )
        clean = place(self._source.clean(partner), placement)
        return TrainingBatch(faces.ids, (self._ids[partner],), faces.masked, faces.hole, clean)


def make_samples(source: FaceSource, pairing: Pairing, augmentation: Augmentation, seed: int) -> TrainingSamples:
    """The samples of a training.

    Raises:
        UnmaskError: too few faces for unpaired training.
    """
    kind = PairedSamples if pairing is Pairing.paired else UnpairedSamples
    return kind(source, augmentation, seed)
