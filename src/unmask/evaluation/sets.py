"""What is measured on all pictures of a run together: KID, P-IDS, U-IDS, rank-1.

Features are of the hole's crop, which is what a method made; the rest of a composite is the input, and would only
dilute the distance. They are named by their network: numbers of other networks, Inception's among them, are not
comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.evaluation.discriminability import discriminability
from unmask.evaluation.kid import paired_kid_interval
from unmask.evaluation.metrics import scored_hole
from unmask.evaluation.rank import rank1
from unmask.evaluation.truth import Truth
from unmask.faces import Original
from unmask.images import load_image, resize
from unmask.networks.vgg import VGG16Features
from unmask.results.bootstrap import mean_interval
from unmask.results.layout import composite_path
from unmask.results.pictures import Hidden

Row = tuple[np.ndarray, np.ndarray]
CROP_SIZE = 128
"""Side to which the hole's crop is scaled, in pixels."""
VGG_LAYER = "relu5_3"
MARGIN = 0.125
"""What a crop shows around the hole's box on each side, as a share of its longer side."""
NO_FID = "FID is defined by the Inception network, whose weights were not given (--inception FILE)"


@dataclass(frozen=True)
class SetMetric:
    """A number of a whole run.

    Attributes:
        name: with the features it is computed on.
        higher: whether more is better.
        value: None where it cannot be computed, for `reason`.
        ci95: 95 % bootstrap interval over people; None where there is none.
        reason: why there is no value, or why it says little.
    """

    name: str
    higher: bool
    value: float | None
    ci95: tuple[float, float] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Features:
    """Of n pictures, a row each: (n,512) of the VGG-16 crop, (n,512) of ArcFace; NaN where there is no face."""

    vgg16: np.ndarray
    arcface: np.ndarray


def features_of(image: Tensor, truth: Truth, hidden: Hidden, network: VGG16Features) -> Row:
    """A row of each of `Features`: of `image` (3,H,W) in [-1,1], cropped at the hole and aligned by the clean face."""
    crop = hole_crop(image, scored_hole(hidden.occlusion))
    with torch.no_grad():
        (activations,) = network(crop[None])
    face = truth.face
    identity = np.full(512, np.nan) if face is None else faceanalysis.embed(image, face.points)[0]
    return activations.mean((2, 3))[0].numpy(), identity


def hole_crop(image: Tensor, hole: Tensor) -> Tensor:
    """The square around the hole, as large as its box and a margin, (3,H,W) -> (3,CROP_SIZE,CROP_SIZE); the whole
    picture where there is no hole. It may not leave the picture, and is moved into it."""
    height, width = image.shape[1:]
    rows, columns = (hole[0].any(axis).nonzero().flatten() for axis in (1, 0))
    if len(rows) == 0:
        return resize(image[None], CROP_SIZE)[0]
    (top, bottom), (left, right) = ((int(one.min()), int(one.max()) + 1) for one in (rows, columns))
    side = min(round(max(bottom - top, right - left) * (1 + 2 * MARGIN)), height, width)
    y = min(max(0, (top + bottom - side) // 2), height - side)
    x = min(max(0, (left + right - side) // 2), width - side)
    return resize(image[None, :, y : y + side, x : x + side], CROP_SIZE)[0]


def measure_set(ours: Features, clean: Features, *, seed: int = 0) -> tuple[SetMetric, ...]:
    """KID, P-IDS and U-IDS on the VGG-16 crops, KID and rank-1 on ArcFace, and FID's place.

    Rows of both belong to the same people, in the same order.
    """
    faces = np.isfinite(ours.arcface).all(1) & np.isfinite(clean.arcface).all(1)
    found = [_kid("vgg16", ours.vgg16, clean.vgg16, seed)]
    if len(ours.vgg16) > 1:
        ids = discriminability(ours.vgg16, clean.vgg16)
        found += [
            SetMetric("set/p_ids/vgg16", True, ids.p_ids, reason=ids.warning),
            SetMetric("set/u_ids/vgg16", True, ids.u_ids, reason=ids.warning),
        ]
    found.append(_kid("arcface", ours.arcface[faces], clean.arcface[faces], seed))
    hits = rank1(ours.arcface, clean.arcface)
    known = hits[np.isfinite(hits)]
    if len(known):
        interval = mean_interval(known.tolist(), seed=seed)
        found.append(SetMetric("set/rank1/arcface", True, interval.mean, (interval.low, interval.high)))
    found.append(SetMetric("set/fid/inception", False, None, reason=NO_FID))
    return tuple(found)


def _kid(name: str, ours: np.ndarray, clean: np.ndarray, seed: int) -> SetMetric:
    if len(ours) < 2:
        return SetMetric(f"set/kid/{name}", False, None, reason="fewer than two pictures")
    kid = paired_kid_interval(ours, clean, seed=seed)
    return SetMetric(f"set/kid/{name}", False, kid.value, (kid.low, kid.high))


@dataclass(frozen=True)
class Gathered:
    """Features of the clean pictures, and of the composites in each run directory, rows in the order of the ids."""

    clean: Features
    runs: Mapping[Path, Features]


def gather_features(
    folders: Sequence[Path], originals: Iterable[Original], hidden: Callable[[str], Hidden]
) -> Gathered:
    """Of all pictures of `originals`, which have clean ones and are in every folder; each is decoded once.

    Args:
        hidden: where a picture's face mask is, by id.
    """
    network = VGG16Features.pretrained((VGG_LAYER,))
    clean: list[Row] = []
    runs: dict[Path, list[Row]] = {folder: [] for folder in folders}
    for original in originals:
        truth, where = Truth(original), hidden(original.id)
        assert truth.clean is not None, "there are clean pictures"
        clean.append(features_of(truth.clean, truth, where, network))
        for folder, rows in runs.items():
            image = load_image(composite_path(folder, original.id))
            rows.append(features_of(image, truth, where, network))
    return Gathered(_stacked(clean), {folder: _stacked(rows) for folder, rows in runs.items()})


def _stacked(rows: Sequence[Row]) -> Features:
    return Features(np.stack([one for one, _ in rows]), np.stack([other for _, other in rows]))
