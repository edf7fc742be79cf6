"""Random numbers that depend on where in a training they are drawn, and on nothing that was drawn before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for; each purpose has a stream of its own."""

    order = 0
    face_mask = 1
    partner = 2
    masked_placement = 3
    clean_placement = 4


def generator_at(seed: int, stream: Stream, epoch: int, position: int = 0) -> np.random.Generator:
    """The generator of one stream at one position of an epoch, so that a resumed training draws as before."""
    return np.random.default_rng([seed % 2**32, stream, epoch, position])
