"""Where a correctly worn mask would lie, and whether a found one fits."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.aligned_face import aligned_points
from unmask.images import load_image
from unmask.occlusion import LandmarkOcclusion
from unmask.occlusion.check import doubt_about
from unmask.occlusion.landmarks import NO_FACE, LowerFace, fill, locate
from unmask.occlusion.painted import load_painted

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
SIZE = 256


def face() -> LowerFace:
    return LowerFace.from_106(aligned_points() * SIZE - 0.5)


def expected() -> np.ndarray:
    return fill(face().outline, SIZE)


def test_from_the_nose_to_the_chin() -> None:
    region = expected()
    assert region[round(0.7 * SIZE), SIZE // 2]  # the mouth
    assert region[round(0.87 * SIZE), SIZE // 2]  # the chin
    assert not region[round(0.47 * SIZE), SIZE // 2]  # between the eyes
    assert not region[round(0.95 * SIZE), SIZE // 2]
    assert 0.08 < region.mean() < 0.25
    # 0.2 % of 65,536 pixels: one or so along the outline
    assert (region != region[:, ::-1]).mean() < 0.002  # as symmetric as the face


def test_beside_the_nose_the_edge_dips() -> None:
    region, beside = expected(), round(0.115 * face().width)
    top = region.argmax(0)
    assert top[SIZE // 2] < top[SIZE // 2 - beside] - 2


def test_the_shape_moves_and_grows_with_the_face() -> None:
    half = LowerFace.from_106(aligned_points() * SIZE / 2 + 20)
    assert fill(half.outline, SIZE).sum() == pytest.approx(expected().sum() / 4, rel=0.03)


def test_a_fitting_face_mask_is_not_doubted() -> None:
    region = expected()
    assert doubt_about(region, region.astype(np.float32), face()) is None


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (lambda region: np.roll(region, 45, 0), "mouth"),
        (lambda region: np.roll(region, 60, 1), "mouth|elsewhere"),
        (lambda region: region & (np.arange(SIZE)[:, None] > 205), "size"),
        (lambda region: np.ones_like(region), "size"),
    ],
)
def test_one_that_does_not_fit_is_doubted(found, word: str) -> None:
    region = found(expected())
    doubt = doubt_about(region, region.astype(np.float32), face())
    assert doubt is not None
    assert any(part in doubt for part in word.split("|"))


def test_an_unsure_network_and_a_missing_face_are_doubts() -> None:
    region = expected()
    assert "unsure" in str(doubt_about(region, np.where(region, 0.75, 0.0), face()))
    assert "no face" in str(doubt_about(region, region.astype(np.float32), None))


@pytest.mark.weights
def test_the_samples_face_masks_lie_there() -> None:
    finder = pickle.loads(pickle.dumps(LandmarkOcclusion()))
    for id in ("synthetic-00000", "synthetic-00005", "synthetic-00009"):
        found = finder.find(id, load_image(SAMPLE / "cmfd" / "00000" / f"{id}_Mask.jpg"), None)
        painted = load_painted(SAMPLE / "occlusion" / "00000" / f"{id}.png", SIZE)
        assert found.doubt is None
        assert float((found.occlusion * painted).sum() / found.occlusion.maximum(painted).sum()) > 0.75


@pytest.mark.weights
def test_no_face_changes_nothing_and_says_so() -> None:
    found = LandmarkOcclusion().find("00000", torch.zeros(3, 64, 64), None)
    assert found.doubt == NO_FACE
    assert not found.occlusion.any()


@pytest.mark.weights
@pytest.mark.slow
def test_real_face_masks_lie_there(shared_data: Path) -> None:
    root = shared_data / "ffhq_cmfd"
    with (root / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))[::6]
    scores = []
    for row in rows:
        located = locate(load_image(root / row["masked"]))
        assert located is not None
        region, truth = fill(located.outline, SIZE), load_painted(root / row["occlusion"], SIZE)[0].numpy() > 0.5
        scores.append((region & truth).sum() / (region | truth).sum())
    assert np.mean(scores) > 0.8
