"""Every metric there is, a row each; tables, arrows, columns of files and tags of TensorBoard derive from the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from unmask.errors import UnmaskError

NO_CLEAN = "there is no clean picture to compare with"
IDENTITY_OFF = "evaluation.identity is false"
EXPRESSION_OFF = "evaluation.expression is false"
ONE_ANSWER = "the method gives one answer (method.num_samples is 1)"
NOT_MEASURED = "not measured yet: python -m unmask.measure does it"
RAW_NOT_KEPT = "the answers as generated are not in the run directory"
ADDED_LATER = "this metric was added after the run"


class Needs(Enum):
    """What a metric takes beside the pictures that a method made and the input."""

    nothing = "nothing"
    clean = "clean"
    """The clean picture."""
    identity = "identity"
    """That, a face in it, and ``evaluation.identity``."""
    expression = "expression"
    """That, a face in it, and ``evaluation.expression``."""
    several = "several"
    """Several answers to one picture."""


@dataclass(frozen=True)
class Metric:
    """A metric of one picture, of the composite unless its name says raw.

    Attributes:
        name: ``group/name``.
        higher: whether more is better.
        digits: after the point, in tables.
        needs: what it takes.
    """

    name: str
    higher: bool
    digits: int
    needs: Needs


METRICS = (
    Metric("whole/psnr", True, 2, Needs.clean),
    Metric("whole/ssim", True, 3, Needs.clean),
    Metric("whole/lpips", False, 3, Needs.clean),
    Metric("hole/psnr", True, 2, Needs.clean),
    Metric("hole/lpips", False, 3, Needs.clean),
    Metric("visible/max_abs_change", False, 1, Needs.nothing),
    Metric("identity/arcface", True, 3, Needs.identity),
    Metric("identity/sface", True, 3, Needs.identity),
    Metric("expression/mouth_open", False, 3, Needs.expression),
    Metric("expression/mouth_width", False, 3, Needs.expression),
    Metric("expression/smile", False, 3, Needs.expression),
    Metric("expression/landmarks", False, 3, Needs.expression),
    Metric("raw_visible/psnr", True, 2, Needs.nothing),
    Metric("best_of_k/hole/psnr", True, 2, Needs.several),
    Metric("best_of_k/hole/lpips", False, 3, Needs.several),
    Metric("best_of_k/identity/arcface", True, 3, Needs.several),
    Metric("mean_of_k/hole/psnr", True, 2, Needs.several),
    Metric("mean_of_k/hole/lpips", False, 3, Needs.several),
    Metric("mean_of_k/identity/arcface", True, 3, Needs.several),
    # the aim is variety, but among answers that are good one by one
    Metric("samples/deviation_hole", True, 1, Needs.several),
    Metric("samples/deviation_raw_visible", False, 1, Needs.several),
)
"""In the order of metrics.csv and of all tables."""


def _names(*needs: Needs) -> tuple[str, ...]:
    return tuple(metric.name for metric in METRICS if metric.needs in needs)


ALL_NAMES = _names(*Needs)
SAMPLE_NAMES = _names(Needs.several)
"""Every metric of several answers to one picture; see `unmask.evaluation.samples`."""
NAMES = tuple(name for name in ALL_NAMES if name not in SAMPLE_NAMES)
"""Every metric of one answer."""
IDENTITY_NAMES = _names(Needs.identity)
EXPRESSION_NAMES = _names(Needs.expression)
AGAINST_CLEAN = _names(Needs.clean, Needs.identity, Needs.expression)

HIGHER_IS_BETTER = {metric.name: metric.higher for metric in METRICS}
DIGITS = {metric.name: metric.digits for metric in METRICS}


@dataclass(frozen=True)
class Measurement:
    """One number of one picture: `value`, or None and the `reason` why there is none."""

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        assert (self.value is None) != (self.reason is None), "either a value or a reason"
        assert self.value is None or math.isfinite(self.value), f"{self.value} is not a finite number"


def nothing_measured(*, several: bool) -> dict[str, Measurement]:
    """The measurements of a picture that has just been made, with several answers or one."""
    none = {name: Measurement(None, NOT_MEASURED) for name in ALL_NAMES}
    return none if several else none | dict.fromkeys(SAMPLE_NAMES, Measurement(None, ONE_ANSWER))


def check_metric(name: str, key: str) -> None:
    """Raise an UnmaskError that names the option `key` unless `name` is a metric of one answer."""
    if name not in NAMES:
        raise UnmaskError(f"{key}={name} is not a metric; choose from {', '.join(NAMES)}.")


def best_mean(name: str, means: Sequence[float]) -> float | None:
    """The best of the means of metric `name`; None where there is nothing to point out: they are all alike."""
    if len(set(means)) < 2:
        return None
    return max(means) if HIGHER_IS_BETTER[name] else min(means)
