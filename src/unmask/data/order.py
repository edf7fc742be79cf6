"""In which order a training sees its pictures: a permutation an epoch, a share of every batch a process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from torch.utils.data import Sampler

from unmask.errors import UnmaskError
from unmask.seeds import Stream, generator_at


@dataclass(frozen=True)
class SampleKey:
    """Which sample: everything random about it derives from the seed, `epoch` and `position`.

    Attributes:
        epoch: from 0.
        position: within the epoch, from 0; the last batch may reach past the number of faces.
        index: the face.
    """

    epoch: int
    position: int
    index: int


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Steps in which `count` faces are seen once; the last batch is filled up from the beginning of the epoch.

    Raises:
        UnmaskError: a batch size that is not positive.
    """
    if batch_size < 1:
        raise UnmaskError(f"training.batch_size={batch_size} must be at least 1.")
    return -(-count // batch_size)


@final
class BatchKeys(Sampler[list[SampleKey]]):
    """The keys of each batch from `start_step` on, without end.

    Step s is the same whatever the step begun with. Process `rank` of `world` has the part of each batch at its
    place, so that the parts of all processes, one after the other, are the batch of a single process.
    """

    def __init__(
        self, count: int, *, batch_size: int, seed: int, start_step: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        """Order `count` faces.

        Raises:
            UnmaskError: a batch size that is not positive, or cannot be divided among the processes.
        """
        self._steps = steps_per_epoch(count, batch_size)
        if batch_size % world:
            raise UnmaskError(
                f"training.batch_size={batch_size} cannot be divided evenly among {world} processes "
                "(devices times num_nodes); make it a multiple of them."
            )
        assert count > 0 and start_step >= 0 and 0 <= rank < world
        self._count = count
        self._batch_size = batch_size
        self._seed = seed
        self._start_step = start_step
        self._share = slice(rank * batch_size // world, (rank + 1) * batch_size // world)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        epoch, step = divmod(self._start_step, self._steps)
        while True:
            order = _permutation(self._count, self._seed, epoch)
            for first in range(step * self._batch_size, self._steps * self._batch_size, self._batch_size):
                positions = range(first, first + self._batch_size)[self._share]
                yield [SampleKey(epoch, position, int(order[position % self._count])) for position in positions]
            epoch, step = epoch + 1, 0


def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    return generator_at(seed, Stream.order, epoch).permutation(count)
