"""What is measured on all pictures of a run together: KID, P-IDS, U-IDS, rank-1, FID.

Features are of the hole's crop, which is what a method made; the rest of a composite is the input, and would only
dilute the distance. Metrics are named by the network of their features: numbers on others, Inception's among them, are
not comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from unmask.evaluation.discriminability import discriminability
from unmask.evaluation.features import EXTRACTORS, Views, usable
from unmask.evaluation.fid import NO_WEIGHTS, fid_of_features, inception, inception_features
from unmask.evaluation.kid import paired_kid_interval
from unmask.evaluation.metrics import scored_hole
from unmask.evaluation.rank import rank1
from unmask.evaluation.truth import Truth
from unmask.faces import Original
from unmask.images import load_image
from unmask.results.bootstrap import mean_interval
from unmask.results.layout import composite_path
from unmask.results.pictures import Hidden

INCEPTION = "inception"
TOO_FEW = "fewer than two pictures have such features"
Features = Mapping[str, np.ndarray]
"""Name of a network -> (n,d), a row for each picture, NaN where it has no such features."""


@dataclass(frozen=True)
class SetMetric:
    """A number of a whole run.

    Attributes:
        name: with the features it is computed on.
        higher: whether more is better.
        value: None where it cannot be computed, for `reason`.
        ci95: 95 % interval over people; None where there is none.
        reason: why there is no value, or why it says little.
    """

    name: str
    higher: bool
    value: float | None
    ci95: tuple[float, float] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Gathered:
    """Features of the clean pictures, and of the composites in each run directory, rows in the order of the ids."""

    clean: Features
    runs: Mapping[Path, Features]


def gather_features(
    folders: Sequence[Path],
    originals: Iterable[Original],
    hidden: Callable[[str], Hidden],
    *,
    inception_weights: Path | None = None,
) -> Gathered:
    """Of all pictures of `originals`, which have clean ones and are in every folder.

    One picture is in memory at a time, and each is decoded once.

    Args:
        hidden: where a picture's face mask is, by id.
        inception_weights: torch-fidelity's file, for FID; None: no FID.
    Raises:
        UnmaskError: weights cannot be had, or `inception_weights` is another file.
    """
    network = None if inception_weights is None else inception(inception_weights)

    def of_one(picture: Tensor, views: Views) -> dict[str, np.ndarray]:
        found = {name: extract(views) for name, extract in EXTRACTORS.items()}
        return found if network is None else found | {INCEPTION: inception_features(network, picture[None])}

    rows: dict[Path | None, list[dict[str, np.ndarray]]] = {one: [] for one in (None, *folders)}
    for original in originals:
        truth = Truth(original)
        assert truth.clean is not None, "there are clean pictures"
        hole = scored_hole(hidden(original.id).occlusion)[None]
        points = np.full((1, 5, 2), np.nan) if truth.face is None else truth.face.points[None]
        for folder, found in rows.items():
            picture = truth.clean if folder is None else load_image(composite_path(folder, original.id))
            found.append(of_one(picture, Views(picture[None], hole, points)))
    stacked = {
        folder: {name: np.concatenate([row[name] for row in found]) for name in found[0]}
        for folder, found in rows.items()
    }
    return Gathered(stacked[None], {folder: stacked[folder] for folder in folders})


def measure_set(ours: Features, clean: Features, *, seed: int = 0) -> tuple[SetMetric, ...]:
    """KID, P-IDS and U-IDS on the VGG-16 crops, KID and rank-1 on ArcFace, FID where there are Inception's features.

    Rows of both belong to the same people, in the same order.
    """
    there = {name: usable(ours[name], clean[name]) for name in ours}
    found = [_kid(name, ours[name][there[name]], clean[name][there[name]], seed) for name in EXTRACTORS]
    crops, clean_crops = ours["vgg16"][there["vgg16"]], clean["vgg16"][there["vgg16"]]
    if len(crops):
        ids = discriminability(crops, clean_crops, seed=seed)
        found += [
            SetMetric("set/p_ids/vgg16", True, ids.p_ids, ids.p_ids_ci95, ids.warning),
            SetMetric("set/u_ids/vgg16", True, ids.u_ids, ids.u_ids_ci95, ids.warning),
        ]
    hits = rank1(ours["arcface"], clean["arcface"])
    known = hits[np.isfinite(hits)]
    if len(known):
        interval = mean_interval(known.tolist(), seed=seed)
        found.append(SetMetric("set/rank1/arcface", True, interval.mean, (interval.low, interval.high)))
    if INCEPTION in ours:
        fid = fid_of_features(ours[INCEPTION], clean[INCEPTION])
        found.append(SetMetric("set/fid/inception", False, fid.value, reason=fid.reason or fid.warning))
    else:
        found.append(SetMetric("set/fid/inception", False, None, reason=f"{NO_WEIGHTS} with --inception"))
    return tuple(found)


def _kid(name: str, ours: np.ndarray, clean: np.ndarray, seed: int) -> SetMetric:
    if len(ours) < 2:
        return SetMetric(f"set/kid/{name}", False, None, reason=TOO_FEW)
    kid = paired_kid_interval(ours, clean, seed=seed)
    return SetMetric(f"set/kid/{name}", False, kid.value, (kid.low, kid.high))
