"""The endless stream of batches a training learns from."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import final

import torch
from torch.utils.data import DataLoader, Dataset

from unmask.data.augment import Augmentation
from unmask.data.order import BatchKeys, SampleKey
from unmask.data.samples import TrainingSamples, make_samples
from unmask.data.source import FaceSource
from unmask.errors import UnmaskError
from unmask.faces import Failure, Pairing, TrainingBatch

log = logging.getLogger(__name__)


def epoch_length(source: FaceSource, pairing: Pairing) -> int:
    """How many faces with a face mask an epoch has: all of the source, or of its one half if unpaired.

    Raises:
        UnmaskError: too few faces for unpaired training.
    """
    return len(make_samples(source, pairing, Augmentation(16, 16, flip=False), seed=0))


def training_batches(
    source: FaceSource,
    *,
    pairing: Pairing,
    augmentation: Augmentation,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    rank: int = 0,
    world: int = 1,
    num_workers: int = 0,
    strict: bool = True,
) -> Generator[TrainingBatch, None, None]:
    """Batches without end, from step `start_step` on; close the generator to end its worker processes.

    Whatever is random about a batch derives from `seed` and its step alone, so that a resumed training sees exactly
    what an uninterrupted one sees, with any number of workers.

    Args:
        source: the faces.
        pairing: what comes as `clean` beside each masked picture.
        augmentation: how pictures are varied.
        batch_size: pictures a step, over all processes together.
        seed: of the training.
        start_step: the first step, counted over all epochs of ``steps_per_epoch(epoch_length(...), batch_size)``.
        rank, world: this process and how many there are; it gets its part of each batch.
        num_workers: processes that decode, draw and augment; with 0 this process does.
        strict: a picture that cannot be used ends the training; else the next face that can be used takes its place,
            which is logged.
    Raises:
        UnmaskError: too few faces, at once; with `strict`, a picture that cannot be used, when it is met.
    """
    samples = make_samples(source, pairing, augmentation, seed, strict=strict)
    keys = BatchKeys(len(samples), batch_size=batch_size, seed=seed, start_step=start_step, rank=rank, world=world)
    loader = DataLoader(
        _Attempts(samples),
        batch_sampler=keys,
        num_workers=num_workers,
        collate_fn=_join,
        worker_init_fn=_single_thread,
        generator=torch.Generator(),  # else the loader draws from the training's own random numbers
    )
    return _batches(loader)


def _batches(loader: DataLoader[TrainingBatch | Failure]) -> Generator[TrainingBatch, None, None]:
    attempts = iter(loader)
    told: set[str] = set()
    try:
        for attempt in attempts:
            if isinstance(attempt, Failure):
                raise UnmaskError(f"{attempt.reason} Met at {attempt.id} in training: repair the file, or remove it.")
            for failure in attempt.replaced:
                if failure.id not in told:
                    told.add(failure.id)
                    log.warning("Training goes on without %s (%d so far): %s", failure.id, len(told), failure.reason)
            yield attempt
    finally:
        del attempts  # its workers end with the loader's iterator


def _single_thread(worker: int) -> None:
    """Workers share the cores already."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)


@final
class _Attempts(Dataset["TrainingBatch | Failure"]):
    """The samples with their errors as values, so that they come back whole from worker processes."""

    def __init__(self, samples: TrainingSamples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: SampleKey) -> TrainingBatch | Failure:
        try:
            return self._samples[key]
        except UnmaskError as error:
            return Failure(self._samples.name_of(key), str(error))


def _join(attempts: list[TrainingBatch | Failure]) -> TrainingBatch | Failure:
    """One batch, or the first failure."""
    samples = []
    for attempt in attempts:
        if isinstance(attempt, Failure):
            return attempt
        samples.append(attempt)
    return TrainingBatch(
        masked_ids=tuple(id for one in samples for id in one.masked_ids),
        clean_ids=tuple(id for one in samples for id in one.clean_ids),
        masked=torch.cat([one.masked for one in samples]),
        hole=torch.cat([one.hole for one in samples]),
        clean=torch.cat([one.clean for one in samples]),
        replaced=tuple(failure for one in samples for failure in one.replaced),
    )
