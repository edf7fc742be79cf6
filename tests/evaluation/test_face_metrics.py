"""Metrics that look for the face: which are measured, on what, and what their numbers mean."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unmask import faceanalysis
from unmask.compositing import composite
from unmask.config import DataConfig, EvaluationConfig, OcclusionConfig, OcclusionSource
from unmask.data import batches, load_dataset
from unmask.evaluation import metrics
from unmask.evaluation.metrics import FaceMetrics, face_metrics
from unmask.evaluation.truth import Truth
from unmask.faceanalysis import ARCFACE_TEMPLATE, Detection, Landmarks
from unmask.images import from_uint8, load_image, to_uint8
from unmask.kinds import Blend
from unmask.results.catalogue import (
    ALL_NAMES,
    DIGITS,
    EXPRESSION_NAMES,
    EXPRESSION_OFF,
    HIGHER_IS_BETTER,
    IDENTITY_NAMES,
    IDENTITY_OFF,
    NAMES,
    NO_CLEAN,
)

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "ffhq" / "00000"
FACE = Detection(np.array([0, 0, 64, 64], np.float32), 0.9, ARCFACE_TEMPLATE / 2)
NOISE = 0.02
"""Inter-ocular distances that JPEG at quality 75 moves a mouth at most, with a margin."""
CLEAN = torch.zeros(3, 64, 64)
HOLE = torch.ones(1, 64, 64)


def numbers(found: dict[str, metrics.Measurement], names: tuple[str, ...] = EXPRESSION_NAMES[:3]) -> list[float]:
    values = [found[name].value for name in names]
    assert None not in values
    return [value for value in values if value is not None]


class Networks:
    """In place of the face networks; notes which were asked, and draws a mouth as open as a picture is bright."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, face: Detection | None = FACE) -> None:
        self.asked: list[str] = []
        self.boxes: list[np.ndarray] = []

        def main_face(images: Tensor) -> tuple[Detection | None, ...]:
            self.asked.append("face")
            return (face,)

        def embed(images: Tensor, points: np.ndarray) -> np.ndarray:
            self.asked.append("identity")
            return np.ones((1, 512))

        def embed_sface(images: Tensor, points: np.ndarray) -> np.ndarray:
            self.asked.append("sface")
            return np.ones((1, 128))

        def landmarks106(image: Tensor, face: Detection) -> Landmarks:
            self.asked.append("landmarks")
            self.boxes.append(face.box)
            points = np.zeros((106, 2), np.float32)
            points[[35, 39, 89, 93], 0] = [-12, -8, 8, 12]
            points[[60, 52, 61]] = [[0, 20 * float(image.mean())], [-8, 0], [8, 0]]
            return Landmarks(points)

        for stand_in in (main_face, embed, embed_sface, landmarks106):
            monkeypatch.setattr(faceanalysis, stand_in.__name__, stand_in)


def test_every_metric_has_a_direction_and_digits() -> None:
    assert tuple(HIGHER_IS_BETTER) == tuple(DIGITS) == ALL_NAMES
    assert not any(HIGHER_IS_BETTER[name] for name in EXPRESSION_NAMES)
    assert {*IDENTITY_NAMES, *EXPRESSION_NAMES} < set(NAMES)


def test_the_face_is_looked_for_once_and_both_mouths_in_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = Networks(monkeypatch)
    found = face_metrics(CLEAN + 0.5, Truth.of(CLEAN, CLEAN), HOLE, FaceMetrics())
    assert sorted(networks.asked) == ["face", "identity", "identity", "landmarks", "landmarks", "sface", "sface"]
    assert all(np.array_equal(box, FACE.box) for box in networks.boxes)
    assert found["identity/arcface"].value == pytest.approx(1.0)
    # the lower lip is half an inter-ocular distance lower in the composite
    assert numbers(found) == pytest.approx([0.5, 0.0, 0.25], abs=0.005), "the clean picture is rounded to 8 bits"


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        (FaceMetrics(False, False), set()),
        (FaceMetrics(True, False), {"face", "identity", "sface"}),
        (FaceMetrics(False, True), {"face", "landmarks"}),
    ],
)
def test_what_is_not_wanted_costs_nothing_and_says_so(
    wanted: FaceMetrics, asked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = Networks(monkeypatch)
    found = face_metrics(CLEAN, Truth.of(CLEAN, CLEAN), HOLE, wanted)
    assert set(networks.asked) == asked
    for names, on, off in (
        (IDENTITY_NAMES, wanted.identity, IDENTITY_OFF),
        (EXPRESSION_NAMES, wanted.expression, EXPRESSION_OFF),
    ):
        assert {found[name].reason for name in names} == {None if on else off}


def test_without_a_face_what_is_wanted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    Networks(monkeypatch, face=None)
    found = face_metrics(CLEAN, Truth.of(CLEAN, CLEAN), HOLE, FaceMetrics(identity=False))
    assert {found[name].reason for name in EXPRESSION_NAMES} == {metrics.NO_FACE}
    assert found["identity/arcface"].reason == IDENTITY_OFF


def test_without_a_clean_picture_nobody_looks_for_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = Networks(monkeypatch)
    found = metrics.measure(raw=CLEAN, composite=CLEAN, occlusion=torch.zeros(1, 64, 64), truth=Truth.of(CLEAN, None))
    assert networks.asked == []
    assert {found[name].reason for name in EXPRESSION_NAMES} == {NO_CLEAN}


def test_options_and_monitor_choose() -> None:
    assert FaceMetrics.of(EvaluationConfig()) == FaceMetrics(True, True)
    assert FaceMetrics.of(EvaluationConfig(expression=False)) == FaceMetrics(True, False)
    assert FaceMetrics.for_monitor("hole/lpips") == FaceMetrics(False, False)
    assert FaceMetrics.for_monitor("identity/arcface") == FaceMetrics(True, False)
    assert FaceMetrics.for_monitor("expression/smile") == FaceMetrics(False, True)


@pytest.mark.weights
def test_a_face_agrees_with_itself_and_nearly_with_its_jpeg_but_not_with_a_graver_one() -> None:
    laughing, grave = (load_image(SAMPLE / f"synthetic-{id}.jpg") for id in ("00000", "00022"))
    assert numbers(face_metrics(laughing, Truth.of(laughing, laughing), HOLE, FaceMetrics())) == [0.0, 0.0, 0.0]

    file = io.BytesIO()
    Image.fromarray(to_uint8(laughing)).save(file, "JPEG", quality=75)
    again = from_uint8(np.asarray(Image.open(file)))
    assert 0 < max(numbers(face_metrics(again, Truth.of(laughing, laughing), HOLE, FaceMetrics()))) < NOISE

    differs = numbers(face_metrics(grave, Truth.of(laughing, laughing), HOLE, FaceMetrics()))
    assert min(differs) > 2 * NOISE
    (face,) = faceanalysis.main_face(laughing)
    assert face is not None
    glad, sad = (faceanalysis.mouth_of(faceanalysis.landmarks106(one, face).points) for one in (laughing, grave))
    assert glad.opening > 0.1 > 0.05 > sad.opening
    assert glad.smile > 0.1 > 0.0 > sad.smile


@pytest.mark.weights
def test_numbers_do_not_depend_on_the_size_of_the_picture() -> None:
    picture, other = (load_image(SAMPLE / f"synthetic-{id}.jpg") for id in ("00000", "00022"))
    small = numbers(face_metrics(other, Truth.of(picture, picture), HOLE, FaceMetrics(identity=False)))
    twice = [torch.nn.functional.interpolate(one[None], scale_factor=2, mode="bicubic")[0] for one in (other, picture)]
    large = numbers(face_metrics(twice[0], Truth.of(twice[1], twice[1]), HOLE, FaceMetrics(identity=False)))
    assert large == pytest.approx(small, abs=NOISE)


@pytest.mark.weights
@pytest.mark.slow
def test_a_perfect_filling_is_nearly_right_and_the_neighbours_mouth_is_not() -> None:
    dataset = load_dataset(
        DataConfig(root=str(SAMPLE.parents[1]), limit=8), OcclusionConfig(source=OcclusionSource.painted)
    )
    (faces,) = batches(dataset, 8)
    assert faces.clean is not None
    means = []
    for filling in (faces.clean, faces.clean.roll(1, 0)):
        joined = composite(filling, faces.masked, faces.hole, feather=0.0, blend=Blend.feather)
        found = [
            numbers(face_metrics(one, Truth.of(clean, clean), HOLE, FaceMetrics(identity=False)))
            for one, clean in zip(joined, faces.clean, strict=True)
        ]
        means.append(np.mean(found, axis=0))
    assert (means[0] < 0.01).all()
    assert (means[1] > 0.04).all()
