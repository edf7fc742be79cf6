"""Metrics of several answers, on pictures whose values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from helpers.finished import finish
from unmask import faceanalysis
from unmask.config import OcclusionConfig, OcclusionSource
from unmask.evaluation.metrics import (
    IDENTICAL,
    NO_FACE,
    NO_HOLE,
    NO_VISIBLE,
    FaceMetrics,
    hole_lpips,
    measure,
    scored_hole,
)
from unmask.evaluation.samples import best_and_mean, measure_samples
from unmask.evaluation.truth import Truth
from unmask.faceanalysis import ARCFACE_TEMPLATE, Detection
from unmask.faces import Faces, Reconstruction
from unmask.images import to_uint8
from unmask.kinds import Blend
from unmask.results.catalogue import ALL_NAMES, IDENTITY_OFF, NO_CLEAN, ONE_ANSWER, SAMPLE_NAMES, Measurement
from unmask.results.deviation import BRIGHTEST_DEVIATION, deviation, deviation_picture

SIZE = 64
LEVEL = 1 / 127.5
"""One 8-bit level."""
FACE = Detection(np.array([0, 0, 64, 64], np.float32), 0.9, ARCFACE_TEMPLATE / 2)
NO_FACE_METRICS = FaceMetrics(identity=False, expression=False)
OCCLUSION = OcclusionConfig(source=OcclusionSource.painted, feather=0.0, seam=0.0, blend=Blend.feather)


def grey(*levels: float) -> torch.Tensor:
    """(K,3,SIZE,SIZE) of these 8-bit levels."""
    return torch.stack([torch.full((3, SIZE, SIZE), level * LEVEL - 1) for level in levels])


def square(size: int = SIZE) -> torch.Tensor:
    hole = torch.zeros(1, size, size)
    hole[:, size // 4 : size // 2, size // 4 : size // 2] = 1.0
    return hole


def values(found: dict[str, Measurement]) -> dict[str, float | None]:
    return {name: one.value for name, one in found.items()}


def test_deviation_is_the_samples_standard_deviation_in_levels() -> None:
    two = grey(100, 110)
    torch.testing.assert_close(deviation(two), torch.full((SIZE, SIZE), 10 / math.sqrt(2), dtype=torch.float64))
    three = grey(90, 100, 110)
    three[:, 1:] = grey(100)[0, 1:]  # only red differs
    torch.testing.assert_close(deviation(three), torch.full((SIZE, SIZE), 10 / 3, dtype=torch.float64))
    assert deviation(grey(7, 7.4)).max() == 0, "files hold whole levels"


def test_deviations_are_means_over_the_scored_hole_and_over_the_visible_rest() -> None:
    hole = scored_hole(square()) > 0.5
    composites, raws = grey(100, 100), grey(50, 50)
    composites[1] += torch.where(hole, 20 * LEVEL, 0.0)
    composites[1] += torch.where(hole, 0.0, 99 * LEVEL)  # not looked at
    raws[1] += torch.where(hole, 99 * LEVEL, 4 * LEVEL)
    first = measure(raw=raws[0], composite=composites[0], occlusion=square(), truth=Truth.of(raws[0], None))
    found = measure_samples(
        raws=raws, composites=composites, occlusion=square(), truth=Truth.of(raws[0], None), first=first
    )
    assert tuple(found) == SAMPLE_NAMES
    assert found["samples/deviation_hole"].value == pytest.approx(20 / math.sqrt(2))
    assert found["samples/deviation_raw_visible"].value == pytest.approx(4 / math.sqrt(2))
    assert {found[name].reason for name in SAMPLE_NAMES if "of_k" in name} == {NO_CLEAN}


@pytest.mark.weights
def test_best_and_mean_of_the_composites_values() -> None:
    clean = grey(100)[0]
    composites = grey(130, 110, 120)
    first = measure(
        raw=clean, composite=composites[0], occlusion=square(), truth=Truth.of(clean, clean), faces=NO_FACE_METRICS
    )
    found = measure_samples(
        raws=composites, composites=composites, occlusion=square(), truth=Truth.of(clean, clean), first=first
    )
    decibels = [20 * math.log10(255 / off) for off in (30, 10, 20)]
    assert found["best_of_k/hole/psnr"].value == pytest.approx(decibels[1])
    assert found["mean_of_k/hole/psnr"].value == pytest.approx(np.mean(decibels))
    distances = [hole_lpips(one, Truth.of(clean, clean), scored_hole(square())).value for one in composites]
    assert distances[0] == first["hole/lpips"].value
    assert None not in distances
    assert found["best_of_k/hole/lpips"].value == min(distances)  # type: ignore[type-var]
    assert found["mean_of_k/hole/lpips"].value == pytest.approx(np.mean(distances))  # type: ignore[arg-type]
    assert found["best_of_k/identity/arcface"].reason == IDENTITY_OFF


@pytest.mark.weights
def test_identity_is_measured_on_each_with_the_clean_pictures_face(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def main_face(images: torch.Tensor) -> tuple[Detection | None, ...]:
        looked.append(1)
        return (FACE,)

    def embed(images: torch.Tensor, points: np.ndarray) -> np.ndarray:
        angle = float(images.mean())
        return np.array([[math.cos(angle), math.sin(angle)]])

    monkeypatch.setattr(faceanalysis, "main_face", main_face)
    monkeypatch.setattr(faceanalysis, "embed", embed)
    clean, composites = grey(100)[0], grey(130, 110, 120)
    first = measure(
        raw=clean,
        composite=composites[0],
        occlusion=square(),
        truth=Truth.of(clean, clean),
        faces=FaceMetrics(identity=True, expression=False),
    )
    looked.clear()
    found = measure_samples(
        raws=composites, composites=composites, occlusion=square(), truth=Truth.of(clean, clean), first=first
    )
    cosines = [math.cos(off * LEVEL) for off in (30, 10, 20)]
    assert found["best_of_k/identity/arcface"].value == pytest.approx(cosines[1])
    assert found["mean_of_k/identity/arcface"].value == pytest.approx(np.mean(cosines))
    assert len(looked) == 1

    looked.clear()
    faceless = first | {"identity/arcface": Measurement(None, NO_FACE)}
    found = measure_samples(
        raws=composites, composites=composites, occlusion=square(), truth=Truth.of(clean, clean), first=faceless
    )
    assert found["mean_of_k/identity/arcface"].reason == NO_FACE
    assert not looked


def test_where_an_answer_has_no_value_neither_best_nor_mean_has() -> None:
    several = [Measurement(20.0), Measurement(None, IDENTICAL), Measurement(30.0)]
    assert best_and_mean("hole/psnr", several) == (several[1], several[1])
    assert best_and_mean("hole/psnr", several[::2]) == (Measurement(30.0), Measurement(25.0))
    assert best_and_mean("hole/lpips", several[::2]) == (Measurement(20.0), Measurement(25.0))


@pytest.mark.weights
@pytest.mark.parametrize(("occlusion", "reason"), [(torch.zeros(1, 64, 64), NO_HOLE), (torch.ones(1, 64, 64), None)])
def test_nothing_hidden_and_nothing_visible(occlusion: torch.Tensor, reason: str | None) -> None:
    clean, composites = grey(100)[0], grey(130, 110)
    first = measure(
        raw=clean, composite=composites[0], occlusion=occlusion, truth=Truth.of(clean, clean), faces=NO_FACE_METRICS
    )
    found = measure_samples(
        raws=composites, composites=composites, occlusion=occlusion, truth=Truth.of(clean, clean), first=first
    )
    for name in ("best_of_k/hole/psnr", "mean_of_k/hole/lpips", "samples/deviation_hole"):
        assert found[name].reason == reason
    assert found["samples/deviation_raw_visible"].reason == (None if reason else NO_VISIBLE)


def test_the_map_has_one_scale_from_black_to_pale_yellow() -> None:
    levels = torch.tensor([[0.0, 16.0, 32.0, 48.0, BRIGHTEST_DEVIATION, 180.0]])
    colours = to_uint8(deviation_picture(levels))[0].astype(int)
    assert colours[0].max() < 8
    assert (colours[4] == colours[5]).all()
    red, green, blue = colours[4]
    assert red > 240 and green > 240 and 150 < blue < 220
    luminance = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance[:5]) > 20).all()


def one_face(*, clean: bool = False) -> Faces:
    masked, hole = grey(60), square()[None]
    return Faces(("00000",), masked, hole, hole, grey(100) if clean else None)


def test_every_answer_is_composited_in_the_same_way() -> None:
    raws = grey(110, 120, 130)
    one = one_face()
    finished = finish(Reconstruction(one.ids, raws[:1], samples=raws[None]), one, OCCLUSION, NO_FACE_METRICS)
    assert finished.samples is not None and finished.samples.shape == raws.shape
    assert torch.equal(finished.samples[0], finished.composite)
    for raw, joined in zip(raws, finished.samples, strict=True):
        alone = finish(Reconstruction(one.ids, raw[None]), one, OCCLUSION, NO_FACE_METRICS)
        assert torch.equal(joined, alone.composite)
        assert alone.samples is None
        assert {alone.measurements[name].reason for name in SAMPLE_NAMES} == {ONE_ANSWER}
    inside = square()[0] > 0
    assert finished.samples[:, :, ~inside].std() == 0
    assert tuple(finished.measurements) == ALL_NAMES
    assert finished.measurements["samples/deviation_raw_visible"].value == pytest.approx(10.0)
    # over the scored hole, which is a pixel wider than what is filled
    share = float(inside.sum() / scored_hole(square()).sum())
    assert finished.measurements["samples/deviation_hole"].value == pytest.approx(10.0 * share)


def test_the_first_answers_metrics_are_those_of_a_single_one() -> None:
    raws, one = grey(110, 120), one_face()
    several = finish(Reconstruction(one.ids, raws[:1], samples=raws[None]), one, OCCLUSION, NO_FACE_METRICS)
    single = finish(Reconstruction(one.ids, raws[:1]), one, OCCLUSION, NO_FACE_METRICS)
    rest = [name for name in ALL_NAMES if name not in SAMPLE_NAMES]
    assert [several.measurements[name] for name in rest] == [single.measurements[name] for name in rest]
    assert None not in [values(dict(several.measurements))[name] for name in SAMPLE_NAMES if "deviation" in name]
