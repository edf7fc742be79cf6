"""What is measured on one picture.

Every function is pure and takes single pictures (3,H,W), RGB in [-1,1], which it first rounds to 8 bits: two
pictures are compared as their files would be. `measure` returns all metrics of one picture; nothing depends
on other pictures.

Each number has the value None and a reason where it cannot be computed. That includes the PSNR of identical
pictures, which is infinite: means are taken over the pictures that have a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.config import EvaluationConfig
from unmask.evaluation.lpips import distance_of, lpips_features
from unmask.evaluation.nme import hole_nme
from unmask.evaluation.truth import Truth
from unmask.faceanalysis import Detection
from unmask.faces import Faces
from unmask.images import from_uint8, to_uint8
from unmask.results.catalogue import (
    EXPRESSION_NAMES,
    EXPRESSION_OFF,
    IDENTITY_NAMES,
    IDENTITY_OFF,
    NAMES,
    NO_CLEAN,
    Measurement,
)

HOLE_DILATION = 4.0
"""The scored hole is the occlusion grown by this many pixels at 256.

It stays the same whatever ``occlusion.dilate`` is, so that runs can be compared.
"""

NO_HOLE = "the occlusion is empty"
NO_VISIBLE = "the occlusion covers the whole picture"
IDENTICAL = "the pictures are identical, so the PSNR is infinite"
NO_FACE = "no face was found in the clean picture"


@dataclass(frozen=True)
class FaceMetrics:
    """Which metrics of the face are wanted; they take longer than the others, and weights of their own.

    Attributes:
        identity: identity/*.
        expression: expression/*.
    """

    identity: bool = True
    expression: bool = True
    OFF: ClassVar[tuple[str, ...]] = (IDENTITY_OFF, EXPRESSION_OFF)
    """Why there are no numbers of metrics that are not wanted."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """Those of the reasons that an earlier measurement gave for what is wanted now."""
        wanted = (self.identity, self.expression)
        return tuple(reason for reason, want in zip(self.OFF, wanted, strict=True) if want)

    @classmethod
    def of(cls, config: EvaluationConfig) -> FaceMetrics:
        """Those an evaluation is asked for."""
        return cls(config.identity, config.expression)

    @classmethod
    def for_monitor(cls, monitor: str) -> FaceMetrics:
        """Only what it takes to measure the metric `monitor`."""
        return cls(monitor in IDENTITY_NAMES, monitor in EXPRESSION_NAMES)


def measure(
    *,
    raw: Tensor,
    composite: Tensor,
    occlusion: Tensor,
    truth: Truth,
    faces: FaceMetrics = FaceMetrics(),
    filled: Tensor | None = None,
) -> dict[str, Measurement]:
    """Every metric of `NAMES` for one picture.

    Args:
        raw, composite: (3,H,W) RGB in [-1,1].
        occlusion: (1,H,W), 1 where the face mask is: the label as given, not dilated.
        truth: the input, and the clean picture where there is one.
        faces: which metrics of the face to compute.
        filled: (1,H,W), 1 where the composite was to change beside the occlusion, which alone is scored as the hole.
    Raises:
        UnmaskError: weights that a metric needs are not there and cannot be fetched.
    """
    hole = scored_hole(occlusion)
    changed = hole if filled is None else torch.maximum(hole, scored_hole(filled))
    masked, clean = truth.original.masked, truth.clean
    results = {
        "visible/max_abs_change": visible_max_abs_change(composite, masked, changed),
        "raw_visible/psnr": psnr(raw, masked, 1.0 - hole, empty=NO_VISIBLE),
    }
    if clean is not None:
        whole_distance, hole_distance = both_lpips(composite, truth, hole)
        results |= {
            "whole/psnr": psnr(composite, clean),
            "whole/ssim": ssim(composite, clean),
            "whole/lpips": whole_distance,
            "hole/psnr": hole_psnr(composite, clean, hole),
            "hole/lpips": hole_distance,
        }
        results |= face_metrics(composite, truth, hole, faces)
    return {name: results.get(name, Measurement(None, NO_CLEAN)) for name in NAMES}


def hole_scores(one: Faces) -> Callable[[Tensor], dict[str, float]]:
    """From composites (3,H,W) in [-1,1] of the picture `one`, a batch of one, to the metrics of the hole that have a
    value; what they take of the clean picture is computed once."""
    clean = None if one.clean is None else one.clean[0]
    hole = scored_hole(one.occlusion[0])
    truth = Truth.of(one.masked[0], clean)

    def score(composite: Tensor) -> dict[str, float]:
        if clean is None:
            return {}
        measured = {"hole/psnr": hole_psnr(composite, clean, hole), "hole/lpips": hole_lpips(composite, truth, hole)}
        return {name: number.value for name, number in measured.items() if number.value is not None}

    return score


def scored_hole(occlusion: Tensor) -> Tensor:
    """(1,H,W) occlusion -> (1,H,W) the hole of the metrics, 1 inside, on the CPU.

    Grown by OpenCV's elliptic structuring element, 9x9 at 256, that of the reference numbers in the tests. It
    holds the exact disc of `unmask.images.dilate` and a few corners more, which move hole/psnr by .04 dB.
    """
    import cv2

    radius = round(HOLE_DILATION * occlusion.shape[-1] / 256.0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return torch.from_numpy(cv2.dilate(_inside(occlusion).astype(np.float32), kernel))[None]


def psnr(a: Tensor, b: Tensor, region: Tensor | None = None, *, empty: str = NO_HOLE) -> Measurement:
    """Peak signal-to-noise ratio in dB, peak 255, over the pixels (all channels) of `region` (1,H,W)."""
    squares = (_levels(a) - _levels(b)) ** 2
    if region is not None:
        squares = squares[_inside(region)]
    if squares.size == 0:
        return Measurement(None, empty)
    error = float(squares.mean())
    if error == 0:
        return Measurement(None, IDENTICAL)
    return Measurement(10.0 * math.log10(255.0**2 / error))


def ssim(a: Tensor, b: Tensor) -> Measurement:
    """Structural similarity of RGB, mean of the channels, with the settings of Wang et al. 2004.

    A Gaussian window of σ = 1.5 pixels, population covariances, K1 = .01, K2 = .03, range 255 (scikit-image).
    """
    from skimage.metrics import structural_similarity

    value = structural_similarity(
        to_uint8(a),
        to_uint8(b),
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return Measurement(float(value))


def whole_lpips(image: Tensor, truth: Truth) -> Measurement:
    """LPIPS (AlexNet) of a picture and the clean one, which is there."""
    features = lpips_features(from_uint8(to_uint8(image))[None].to(truth.device))
    return Measurement(float(distance_of(features, truth.lpips)))


def both_lpips(composite: Tensor, truth: Truth, hole: Tensor) -> tuple[Measurement, Measurement]:
    """`whole_lpips` and `hole_lpips` of a picture in one pass, which takes four fifths of the time of two."""
    if not bool(_inside(hole).any()):
        return whole_lpips(composite, truth), Measurement(None, NO_HOLE)
    pictures = [from_uint8(to_uint8(one)) for one in (composite, _clean_around(composite, truth, hole))]
    found = lpips_features(torch.stack(pictures).to(truth.device))
    whole, inside = (
        Measurement(float(distance_of(tuple(stage[row : row + 1] for stage in found), truth.lpips))) for row in (0, 1)
    )
    return whole, inside


def hole_psnr(composite: Tensor, clean: Tensor, hole: Tensor) -> Measurement:
    """PSNR over the pixels of `hole` (1,H,W) only."""
    return psnr(composite, clean, hole)


def hole_lpips(composite: Tensor, truth: Truth, hole: Tensor) -> Measurement:
    """LPIPS to the clean picture of `composite` inside the hole and the clean picture itself outside.

    So it does not see how the two files of a pair differ outside the hole, through JPEG and resampling.
    """
    if not bool(_inside(hole).any()):
        return Measurement(None, NO_HOLE)
    return whole_lpips(_clean_around(composite, truth, hole), truth)


def _clean_around(composite: Tensor, truth: Truth, hole: Tensor) -> Tensor:
    """`composite` inside the hole, the clean picture outside."""
    assert truth.clean is not None
    return composite.cpu().where(hole > 0.5, truth.clean)


def visible_max_abs_change(composite: Tensor, masked: Tensor, hole: Tensor) -> Measurement:
    """Largest change of a visible value against the masked input, in 8-bit levels 0..255; the aim is 0."""
    changes = np.abs(_levels(composite) - _levels(masked))[~_inside(hole)]
    if changes.size == 0:
        return Measurement(None, NO_VISIBLE)
    return Measurement(float(changes.max()))


def face_metrics(composite: Tensor, truth: Truth, hole: Tensor, wanted: FaceMetrics) -> dict[str, Measurement]:
    """The metrics of the face; the clean picture's is only looked for if one of them is wanted."""
    results: dict[str, Measurement] = {}
    if not wanted.identity:
        results |= dict.fromkeys(IDENTITY_NAMES, Measurement(None, IDENTITY_OFF))
    if not wanted.expression:
        results |= dict.fromkeys(EXPRESSION_NAMES, Measurement(None, EXPRESSION_OFF))
    if not (wanted.identity or wanted.expression):
        return results
    if truth.face is None:
        return dict.fromkeys((*IDENTITY_NAMES, *EXPRESSION_NAMES), Measurement(None, NO_FACE)) | results
    if wanted.identity:
        results["identity/arcface"] = identity_arcface(composite, truth, truth.face)
        results["identity/sface"] = identity_sface(composite, truth, truth.face)
    if wanted.expression:
        results |= expression(composite, truth, hole, truth.face)
    return results


def identity_arcface(composite: Tensor, truth: Truth, face: Detection) -> Measurement:
    """Cosine of the ArcFace embeddings of two pictures, both aligned by the five points of the clean one's `face`.

    Two photographs of one person score about .6, strangers about 0.
    """
    (ours,) = faceanalysis.embed(composite, face.points)
    return Measurement(faceanalysis.cosine(ours, truth.embedding))


def identity_sface(composite: Tensor, truth: Truth, face: Detection) -> Measurement:
    """The same by SFace, which no method optimises: see `unmask.faceanalysis.embed_sface`."""
    (ours,) = faceanalysis.embed_sface(composite, face.points)
    return Measurement(faceanalysis.cosine(ours, truth.sface))


def expression(composite: Tensor, truth: Truth, hole: Tensor, face: Detection) -> dict[str, Measurement]:
    """How far the mouth is from the clean picture's: how open, how wide, how much it smiles; and all landmarks inside
    `hole` (1,H,W), see `unmask.evaluation.nme`.

    Absolute differences of `unmask.faceanalysis.Mouth`, in inter-ocular distances. The landmarks of both pictures are
    looked for in the box of the clean one's `face`. Means over 120 pairs of FFHQ and CMFD (opening, width, smile):

    - .001, .003, .001: the clean picture's own pixels in the hole; what is left is the JPEG of the other pixels.
    - .08, .11, .06: the median mouth, whoever is shown.
    - .11, .15, .08: the mouth of another person.

    The network always finds a mouth: on a face mask itself one that goes with the eyes and cheeks (.09, .16, .05). So
    only a mean well below the second line says that an expression was met.
    """
    points = faceanalysis.landmarks106(composite, face).points
    ours, theirs = faceanalysis.mouth_of(points), truth.mouth
    errors = hole_nme(points[None], truth.landmarks[None], hole[None])
    (reason,) = errors.reasons
    return {
        "expression/mouth_open": Measurement(abs(ours.opening - theirs.opening)),
        "expression/mouth_width": Measurement(abs(ours.width - theirs.width)),
        "expression/smile": Measurement(abs(ours.smile - theirs.smile)),
        "expression/landmarks": Measurement(float(errors.values[0]) if reason is None else None, reason),
    }


def _levels(image: Tensor) -> np.ndarray:
    return to_uint8(image).astype(np.float64)


def _inside(region: Tensor) -> np.ndarray:
    return region[0].cpu().numpy() > 0.5
