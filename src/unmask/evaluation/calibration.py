"""Do several answers to one picture span the truth as often as they should?

If the truth is to its K answers what each of them is to the others (all K + 1 are exchangeable), it takes each of the
K + 1 ranks equally often. So the central interval between the j-th smallest and the j-th largest answer holds it with
the probability (K + 1 - 2j) / (K + 1): the nominal share, without any assumption about a distribution. Answers that
are too much alike hold it less often: they are overconfident.

Levels of pictures are whole numbers, so the truth is often equal to an answer. A tie is broken at random, and what is
returned is the probability of being inside, so that exchangeable whole numbers get the nominal share too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from unmask.faceanalysis.expression import Mouth
from unmask.images import to_uint8
from unmask.results.bca import bca_intervals


@dataclass(frozen=True)
class Calibration:
    """A table with a row per central interval, the widest first.

    Attributes:
        nominal: (J,) share of truths that ought to lie inside.
        observed: (J,) share that does.
        low, high: (J,) limits of `observed`, resampling people.
        answers: K.
        people: how many have a value.
    """

    nominal: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    answers: int
    people: int


def nominal_shares(answers: int) -> np.ndarray:
    """(J,) for j = 1 ... J = K // 2; at least two answers."""
    assert answers > 1, f"{answers} answers span nothing"
    return (answers + 1 - 2 * np.arange(1, answers // 2 + 1)) / (answers + 1)


def covered(truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Of each central interval the probability that it holds the truth, ties broken at random.

    Args:
        truth: any shape.
        answers: (K, that shape).
    Returns:
        (J, that shape), 0 or 1 where nothing is tied.
    """
    assert truth.shape == answers.shape[1:], f"{truth.shape} and {answers.shape} do not go together"
    k = len(answers)
    below = (answers < truth).sum(0)
    tied = (answers == truth).sum(0)
    # the rank is one of below ... below + tied, and inside those of j ... k - j
    shares = [
        (np.minimum(below + tied, k - j) - np.maximum(below, j) + 1).clip(0) / (tied + 1) for j in range(1, k // 2 + 1)
    ]
    return np.stack(shares)


def covered_in_hole(clean: Tensor, answers: Tensor, hole: Tensor) -> np.ndarray:
    """Mean of `covered` over the values (pixels and channels, in 8-bit levels) inside the hole: (J,).

    All NaN where the hole is empty.

    Args:
        clean: (3,H,W) RGB in [-1,1].
        answers: (K,3,H,W).
        hole: (1,H,W), 1 inside.
    """
    inside = hole[0].cpu().numpy() > 0.5
    if not inside.any():
        return np.full(len(answers) // 2, np.nan)
    levels = np.stack([to_uint8(one)[inside] for one in answers])
    return np.asarray(covered(to_uint8(clean)[inside], levels).mean((1, 2)))


def covered_mouth(clean: Mouth, answers: Sequence[Mouth]) -> dict[str, np.ndarray]:
    """`covered` (J,) of every number of a mouth: opening, width, smile."""
    return {
        field.name: covered(
            np.array(getattr(clean, field.name)), np.array([getattr(one, field.name) for one in answers])
        )
        for field in fields(Mouth)
    }


def calibration(people: np.ndarray, answers: int, *, samples: int = 2000, seed: int = 0) -> Calibration:
    """The table of one measure.

    Args:
        people: (n,J), what `covered` or `covered_in_hole` gave for each person; NaN for one without a value.
        answers: K.
    """
    nominal = nominal_shares(answers)
    assert people.shape[1:] == nominal.shape, f"{people.shape} is not (n,{len(nominal)})"
    found = bca_intervals(people, samples=samples, seed=seed)
    return Calibration(nominal, found.mean, found.low, found.high, answers, int(found.count.min()))
