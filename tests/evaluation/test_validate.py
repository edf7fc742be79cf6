"""The quick look during training: the evaluation's own numbers, with the sign that makes larger better."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.finished import finish
from unmask.config import OcclusionConfig, OcclusionSource
from unmask.errors import UnmaskError
from unmask.evaluation import validate
from unmask.evaluation.metrics import FaceMetrics
from unmask.faces import Faces, Reconstruction
from unmask.kinds import Blend
from unmask.results.catalogue import EXPRESSION_NAMES, IDENTITY_NAMES
from unmask.runlog import NullRunLog

pytestmark = pytest.mark.weights  # LPIPS
OCCLUSION = OcclusionConfig(source=OcclusionSource.painted, blend=Blend.feather)
SIZE = 64


class Notes(NullRunLog):
    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}
        self.images: list[str] = []

    def scalar(self, tag: str, value: float, step: int) -> None:
        assert step == 7
        self.scalars[tag] = value

    def image(self, tag: str, image: Tensor, step: int) -> None:
        self.images.append(tag)


def faces(count: int, *, clean: bool = True) -> list[Faces]:
    generator = torch.Generator().manual_seed(0)
    made = []
    for index in range(count):
        picture = torch.rand(1, 3, SIZE, SIZE, generator=generator) * 2 - 1
        hole = torch.zeros(1, 1, SIZE, SIZE)
        hole[..., 32:56, 16:48] = 1
        made.append(Faces((f"{index:05d}",), picture * (1 - hole), hole, hole, picture if clean else None))
    return made


def darken(one: Faces) -> Reconstruction:
    assert one.clean is not None
    return Reconstruction(one.ids, one.clean * 0.5)


def test_means_are_the_evaluations() -> None:
    notes, batches = Notes(), faces(3)
    score = validate(darken, batches, occlusion=OCCLUSION, monitor="hole/psnr", run_log=notes, step=7)
    each = [finish(darken(one), one, OCCLUSION, FaceMetrics(False, False)).measurements for one in batches]
    expected = sum(one["hole/psnr"].value or 0 for one in each) / 3
    assert score == pytest.approx(expected)
    assert notes.scalars["validation/hole/psnr"] == score
    for costly in (*IDENTITY_NAMES, *EXPRESSION_NAMES):  # take long, and were not asked for
        assert f"validation/{costly}" not in notes.scalars
    assert notes.images == ["pictures/validation"]


def test_what_should_be_small_counts_negative() -> None:
    notes = Notes()
    score = validate(darken, faces(1), occlusion=OCCLUSION, monitor="whole/lpips", run_log=notes, step=7)
    assert score == -notes.scalars["validation/whole/lpips"] < 0


def test_a_metric_without_value_says_why() -> None:
    with pytest.raises(UnmaskError, match=r"training\.monitor=hole/psnr.*no clean picture"):
        validate(
            lambda one: Reconstruction(one.ids, one.masked),
            faces(1, clean=False),
            occlusion=OCCLUSION,
            monitor="hole/psnr",
            run_log=NullRunLog(),
            step=0,
        )


@pytest.mark.parametrize("monitor", ["identity/arcface", "expression/smile"])
def test_a_costly_metric_is_measured_where_it_is_monitored(monitor: str) -> None:
    """The pictures are noise, so the reason is no longer that nobody wants the number."""
    with pytest.raises(UnmaskError, match=rf"training\.monitor={monitor}.*no face"):
        validate(darken, faces(1), occlusion=OCCLUSION, monitor=monitor, run_log=NullRunLog(), step=0)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnmaskError, match=r"hole/beauty is not a metric.*hole/lpips"):
        validate(darken, [], occlusion=OCCLUSION, monitor="hole/beauty", run_log=NullRunLog(), step=0)
