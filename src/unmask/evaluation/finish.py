"""From what a method generated to a composite and its measurements."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from unmask.compositing import composite
from unmask.config import OcclusionConfig
from unmask.evaluation.metrics import FaceMetrics, Measurement, measure
from unmask.faces import Faces
from unmask.images import dilate


def finish(
    raw: Tensor, one: Faces, occlusion: OcclusionConfig, faces: FaceMetrics
) -> tuple[Tensor, Mapping[str, Measurement]]:
    """The composite (1,3,H,W) in [-1,1] of one picture, and everything measured on it.

    Args:
        raw: (1,3,H,W) in [-1,1], what the method generated.
        one: the picture, a batch of one.
        occlusion: how raw and input are joined.
        faces: which metrics of the face to measure.
    """
    joined = composite(
        raw,
        one.masked,
        dilate(one.occlusion, occlusion.seam),
        feather=occlusion.feather,
        blend=occlusion.blend,
    )
    measurements = measure(
        raw=raw[0],
        composite=joined[0],
        masked=one.masked[0],
        occlusion=one.occlusion[0],
        clean=None if one.clean is None else one.clean[0],
        faces=faces,
    )
    return joined, measurements
