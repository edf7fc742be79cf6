"""What is measured on several answers to one picture.

As in `unmask.evaluation.metrics`, functions are pure, look at one picture, and compare pictures as their files would
be. K is how many answers there are, 2 or more; the standard deviation over them is the unbiased kind, with K - 1, so
that runs with other K are comparable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from unmask.evaluation.metrics import NO_HOLE, NO_VISIBLE, hole_lpips, hole_psnr, identity_arcface, scored_hole
from unmask.evaluation.truth import Truth
from unmask.results.catalogue import HIGHER_IS_BETTER, RAW_NOT_KEPT, SAMPLE_NAMES, Measurement
from unmask.results.deviation import deviation

OF_EACH = ("hole/psnr", "hole/lpips", "identity/arcface")
"""What is measured on every answer."""


def measure_samples(
    *, raws: Tensor | None, composites: Tensor, occlusion: Tensor, truth: Truth, first: Mapping[str, Measurement]
) -> dict[str, Measurement]:
    """Every metric of `SAMPLE_NAMES` for one picture.

    - ``best_of_k/NAME``, ``mean_of_k/NAME``: of the K composites' values of NAME; the best for that metric alone.
    - ``samples/deviation_hole``: `deviation` of the composites, mean over the scored hole.
    - ``samples/deviation_raw_visible``: the same of what the method generated, over the visible pixels, where the
      answers ought to be alike.

    Args:
        raws, composites: (K,3,H,W) RGB in [-1,1], K > 1; `raws` None where they were not kept.
        occlusion: (1,H,W), 1 where the face mask is: the label as given, not dilated.
        truth: the input, and the clean picture where there is one.
        first: what was measured on the first composite; where it has no identity, none is looked for on the others.
    """
    hole = scored_hole(occlusion)
    results = {
        "samples/deviation_hole": _mean(deviation(composites), hole, empty=NO_HOLE),
        "samples/deviation_raw_visible": Measurement(None, RAW_NOT_KEPT)
        if raws is None
        else _mean(deviation(raws), 1.0 - hole, empty=NO_VISIBLE),
    }
    for name, values in _measure_each(composites, hole, truth, first).items():
        results[f"best_of_k/{name}"], results[f"mean_of_k/{name}"] = best_and_mean(name, values)
    return {name: results[name] for name in SAMPLE_NAMES}


def best_and_mean(name: str, values: Sequence[Measurement]) -> tuple[Measurement, Measurement]:
    """The best and the mean of metric `name` over answers; where one has no value, neither has, for its reason."""
    numbers = []
    for one in values:
        if one.value is None:
            return one, one
        numbers.append(one.value)
    best = max(numbers) if HIGHER_IS_BETTER[name] else min(numbers)
    return Measurement(best), Measurement(math.fsum(numbers) / len(numbers))


def _measure_each(
    composites: Tensor, hole: Tensor, truth: Truth, first: Mapping[str, Measurement]
) -> dict[str, list[Measurement]]:
    """The values of the K composites for every name of `OF_EACH`; only the first one's where that is None."""
    each = {name: [first[name]] for name in OF_EACH}
    if truth.clean is None:
        return each
    face = None if first["identity/arcface"].value is None else truth.face
    for one in composites[1:]:
        each["hole/psnr"].append(hole_psnr(one, truth.clean, hole))
        each["hole/lpips"].append(hole_lpips(one, truth, hole))
        if face is not None:
            each["identity/arcface"].append(identity_arcface(one, truth, face))
    return each


def _mean(levels: Tensor, region: Tensor, *, empty: str) -> Measurement:
    """Mean of `levels` (H,W) over `region` (1,H,W)."""
    inside = levels[region[0] > 0.5]
    return Measurement(float(inside.mean())) if len(inside) else Measurement(None, empty)
