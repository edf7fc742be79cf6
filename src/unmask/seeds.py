"""Random numbers that depend on what they are drawn for and where, and on nothing that was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What random numbers of a training's pictures are for; each purpose has a stream of its own."""

    order = 0
    face_mask = 1
    partner = 2
    masked_placement = 3
    clean_placement = 4


def generator_at(seed: int, stream: Stream, epoch: int, position: int = 0) -> np.random.Generator:
    """The generator of one stream at one position of an epoch, so that a resumed training draws as before."""
    return np.random.default_rng([seed % 2**32, stream, epoch, position])


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of everything random in one step of one process of a training."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def picture_generators(seed: int, ids: Iterable[str], purpose: str = "") -> list[torch.Generator]:
    """One for every picture, so that its neighbours and their order do not matter; `purpose` tells apart what is drawn
    for the same picture."""
    before = f"{purpose}/" if purpose else ""
    return [torch.Generator().manual_seed(hashed(f"{seed}/{before}{id}", 7)) for id in ids]


def hashed(text: str, count: int) -> int:
    """The first `count` bytes of the SHA-256 of `text` as a number, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:count], "big")
