"""Splits by id that stay put when pictures are added."""

from __future__ import annotations

from unmask.config import Split
from unmask.errors import UnmaskError
from unmask.seeds import hashed


def split_of(id: str, *, seed: int, val_fraction: float, test_fraction: float) -> Split:
    """The part `id` belongs to: train, val or test.

    A hash of seed and id is read as a number in [0,1): test below `test_fraction`, then val, then train. It
    looks at no other id, so adding or removing pictures moves none; the shares hold in expectation.
    """
    position = _position(f"{seed}/{id}")
    if position < test_fraction:
        return Split.test
    if position < test_fraction + val_fraction:
        return Split.val
    return Split.train


def select(ids: list[str], *, split: Split, seed: int, val_fraction: float, test_fraction: float) -> list[str]:
    """The ids of one part, in the order given; `Split.auto` keeps all, as `Split.all` does.

    Raises:
        UnmaskError: fractions outside [0,1] or summing to more than 1.
    """
    if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction <= 1):
        raise UnmaskError(
            f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction} must not be negative "
            "and must not sum to more than 1."
        )
    if split in (Split.auto, Split.all):
        return list(ids)
    return [
        id for id in ids if split_of(id, seed=seed, val_fraction=val_fraction, test_fraction=test_fraction) is split
    ]


def in_masked_half(id: str) -> bool:
    """Whether unpaired training sees `id` with its face mask; the other half of all ids it sees without one.

    A hash of its own, so that the halves of every part of the split are about equal.
    """
    return _position(f"unpaired/{id}") < 0.5


def _position(text: str) -> float:
    """A hash of `text` as a number in [0,1)."""
    return hashed(text, 8) / 2**64
