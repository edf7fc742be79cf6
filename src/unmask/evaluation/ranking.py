"""Which of several results is the best in a metric."""

from __future__ import annotations

from collections.abc import Sequence

from unmask.evaluation.metrics import HIGHER_IS_BETTER


def best_mean(name: str, means: Sequence[float]) -> float | None:
    """The best of the means of metric `name`; None where there is nothing to point out: they are all alike."""
    if len(set(means)) < 2:
        return None
    return max(means) if HIGHER_IS_BETTER[name] else min(means)
