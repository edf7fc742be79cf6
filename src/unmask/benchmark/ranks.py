"""Who is ahead of whom, by paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.results.catalogue import HIGHER_IS_BETTER
from unmask.results.records import PictureRecord

LEVEL = 0.05


@dataclass(frozen=True)
class Place:
    """Where a run stands.

    Attributes:
        rank: from 1; runs that cannot be told from the best of a rank share it.
        p: of the paired test against the best of its rank, or for that one itself None; corrected by Holm 1979 for all
            runs behind that best one.
    """

    rank: int
    p: float | None


def places(metric: str, runs: Sequence[Sequence[PictureRecord]]) -> list[Place | None]:
    """The place of every run in `metric`; None where it has no value on some picture.

    The best mean is first. All that follow are compared with it picture by picture (Wilcoxon's signed-rank test, two
    sided, zeros split as by Pratt 1959); those that differ by less than chance would, at 5 % after Holm's correction,
    share its rank. The best of the others opens the next rank, and so on.

    Args:
        runs: the records of each, over the same pictures in the same order.
    """
    values = [np.array([_number(record, metric) for record in records]) for records in runs]
    left = [index for index, one in enumerate(values) if np.isfinite(one).all()]
    sign = -1.0 if HIGHER_IS_BETTER[metric] else 1.0
    left.sort(key=lambda index: sign * float(values[index].mean()))
    found: list[Place | None] = [None] * len(runs)
    rank = 1
    while left:
        best, others = left[0], left[1:]
        found[best] = Place(rank, None)
        corrected = holm([_paired(values[index], values[best]) for index in others])
        beside = [index for index, p in zip(others, corrected, strict=True) if p >= LEVEL]
        for index, p in zip(others, corrected, strict=True):
            if p >= LEVEL:
                found[index] = Place(rank, p)
        left = [index for index in others if index not in beside]
        rank += 1 + len(beside)
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance that any of the differences is called one though none is."""
    corrected = [0.0] * len(p)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = largest
    return corrected


def _paired(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    return 1.0 if np.array_equal(one, other) else float(wilcoxon(one, other, zero_method="pratt").pvalue)


def _number(record: PictureRecord, metric: str) -> float:
    value = record.measurements[metric].value
    return np.nan if value is None else value
