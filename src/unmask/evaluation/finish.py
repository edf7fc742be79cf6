"""From what a method generated to composites and their measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.compositing import composite
from unmask.config import OcclusionConfig
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.samples import measure_samples
from unmask.faces import Faces, Reconstruction
from unmask.images import dilate
from unmask.results.catalogue import ONE_ANSWER, SAMPLE_NAMES, Measurement


@dataclass(frozen=True)
class Finished:
    """What the evaluation makes of one picture.

    Attributes:
        composite: (3,H,W) in [-1,1].
        measurements: for every name of `unmask.evaluation.metrics.ALL_NAMES`.
        samples: (K,3,H,W) composites of all K answers, of which the first is `composite`; None where there is one.
    """

    composite: Tensor
    measurements: Mapping[str, Measurement]
    samples: Tensor | None = None


def finish(made: Reconstruction, one: Faces, occlusion: OcclusionConfig, faces: FaceMetrics) -> Finished:
    """Composite one picture's answers and measure everything on them.

    Args:
        made: what the method generated; a batch of one.
        one: the picture, a batch of one.
        occlusion: how raw and input are joined.
        faces: which metrics of the face to measure.
    """
    joined = join(made.raw, one, occlusion)
    clean = None if one.clean is None else one.clean[0]
    measured = measure(
        raw=made.raw[0],
        composite=joined[0],
        masked=one.masked[0],
        occlusion=one.occlusion[0],
        filled=one.filled[0],
        clean=clean,
        faces=faces,
    )
    if made.samples is None:
        none = dict.fromkeys(SAMPLE_NAMES, Measurement(None, ONE_ANSWER))
        return Finished(joined[0], measured | none)
    raws = made.samples[0]
    # The others one by one too: rounding must not depend on how many there are.
    composites = torch.cat([joined, *(join(raw[None], one, occlusion) for raw in raws[1:])])
    of_all = measure_samples(raws=raws, composites=composites, occlusion=one.occlusion[0], clean=clean, first=measured)
    return Finished(joined[0], measured | of_all, composites)


def join(raw: Tensor, one: Faces, occlusion: OcclusionConfig) -> Tensor:
    """The composite of one picture: raw (1,3,H,W) in [-1,1] -> (1,3,H,W) in [-1,1]."""
    return composite(
        raw,
        one.masked,
        dilate(one.filled, occlusion.seam),
        feather=occlusion.feather,
        blend=occlusion.blend,
    )
