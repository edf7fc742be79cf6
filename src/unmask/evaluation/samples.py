"""What is measured on several answers to one picture, and how far they differ pixel by pixel.

As in `unmask.evaluation.metrics`, functions are pure, look at one picture, and compare pictures as their files would
be. K is how many answers there are, 2 or more; the standard deviation over them is the unbiased kind, with K - 1, so
that runs with other K are comparable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.evaluation.metrics import NO_HOLE, NO_VISIBLE, hole_lpips, hole_psnr, identity_arcface, scored_hole
from unmask.images import from_uint8, to_uint8
from unmask.results.catalogue import HIGHER_IS_BETTER, SAMPLE_NAMES, Measurement

OF_EACH = ("hole/psnr", "hole/lpips", "identity/arcface")
"""What is measured on every answer."""
BRIGHTEST_DEVIATION = 64.0
"""Deviation shown in the brightest colour of `deviation_picture`, in 8-bit levels: lips against teeth. It is the same
for all pictures and runs, so that maps can be compared."""


def measure_samples(
    *, raws: Tensor, composites: Tensor, occlusion: Tensor, clean: Tensor | None, first: Mapping[str, Measurement]
) -> dict[str, Measurement]:
    """Every metric of `SAMPLE_NAMES` for one picture.

    - ``best_of_k/NAME``, ``mean_of_k/NAME``: of the K composites' values of NAME; the best for that metric alone.
    - ``samples/deviation_hole``: `deviation` of the composites, mean over the scored hole.
    - ``samples/deviation_raw_visible``: the same of what the method generated, over the visible pixels, where the
      answers ought to be alike.

    Args:
        raws, composites: (K,3,H,W) RGB in [-1,1], K > 1.
        occlusion: (1,H,W), 1 where the face mask is: the label as given, not dilated.
        clean: (3,H,W); None where there is none.
        first: what was measured on the first composite; where it has no identity, none is looked for on the others.
    """
    hole = scored_hole(occlusion)
    results = {
        "samples/deviation_hole": _mean(deviation(composites), hole, empty=NO_HOLE),
        "samples/deviation_raw_visible": _mean(deviation(raws), 1.0 - hole, empty=NO_VISIBLE),
    }
    for name, values in _measure_each(composites, hole, clean, first).items():
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


def deviation(samples: Tensor) -> Tensor:
    """Standard deviation over K pictures (K,3,H,W) in [-1,1], mean of the channels, in 8-bit levels: (H,W)."""
    levels = np.stack([to_uint8(one) for one in samples]).astype(np.float64)
    return torch.from_numpy(levels.std(axis=0, ddof=1).mean(axis=-1))


def deviation_picture(levels: Tensor) -> Tensor:
    """What `deviation` returned, (H,W), as colours (3,H,W) in [-1,1].

    Magma: black where all answers agree, brighter evenly to the eye, pale yellow at `BRIGHTEST_DEVIATION` and above.
    """
    import cv2

    shares = (levels / BRIGHTEST_DEVIATION).clamp(0, 1)
    coloured = cv2.applyColorMap((shares * 255).round().to(torch.uint8).numpy(), cv2.COLORMAP_MAGMA)
    return from_uint8(np.ascontiguousarray(coloured[..., ::-1]))  # OpenCV's order is BGR


def _measure_each(
    composites: Tensor, hole: Tensor, clean: Tensor | None, first: Mapping[str, Measurement]
) -> dict[str, list[Measurement]]:
    """The values of the K composites for every name of `OF_EACH`; only the first one's where that is None."""
    each = {name: [first[name]] for name in OF_EACH}
    if clean is None:
        return each
    face = None if first["identity/arcface"].value is None else faceanalysis.main_face(clean)[0]
    for one in composites[1:]:
        each["hole/psnr"].append(hole_psnr(one, clean, hole))
        each["hole/lpips"].append(hole_lpips(one, clean, hole))
        if face is not None:
            each["identity/arcface"].append(identity_arcface(one, clean, face))
    return each


def _mean(levels: Tensor, region: Tensor, *, empty: str) -> Measurement:
    """Mean of `levels` (H,W) over `region` (1,H,W)."""
    inside = levels[region[0] > 0.5]
    return Measurement(float(inside.mean())) if len(inside) else Measurement(None, empty)
