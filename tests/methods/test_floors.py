"""Methods without learning."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.finished import finish
from unmask.config import CopyConfig, InpaintConfig, OcclusionConfig, OcclusionSource
from unmask.errors import UnmaskError
from unmask.evaluation.metrics import NO_HOLE, FaceMetrics
from unmask.faces import Faces
from unmask.methods.base import MethodContext
from unmask.methods.copy import Copy
from unmask.methods.inpaint import Inpaint


def context() -> MethodContext:
    def no_generator() -> None:
        raise AssertionError("a method without learning needs no generator")

    return MethodContext(torch.device("cpu"), 32, 0, no_generator)  # type: ignore[arg-type]


def faces() -> Faces:
    """A slope from left to right with a bright block in the middle that stands for the face mask."""
    slope = torch.linspace(-0.5, 0.5, 32).expand(2, 3, 32, 32).clone()
    hole = torch.zeros(2, 1, 32, 32)
    hole[:, :, 12:20, 12:20] = 1.0
    masked = torch.where(hole > 0, torch.ones(()), slope)
    return Faces(("a", "b"), masked, hole, hole, slope)


def test_copy_returns_the_input() -> None:
    batch = faces()
    made = Copy.build(CopyConfig(), context()).unmask(batch)
    assert made.ids == batch.ids
    assert torch.equal(made.raw, batch.masked)


def test_inpaint_continues_the_slope_into_the_hole_and_keeps_the_rest() -> None:
    batch = faces()
    assert batch.clean is not None
    made = Inpaint.build(InpaintConfig(), context()).unmask(batch)
    inside = batch.hole.bool().expand_as(made.raw)
    assert (made.raw[~inside] - batch.masked[~inside]).abs().max() <= 0.5 / 127.5 + 1e-6
    error = (made.raw - batch.clean)[inside].abs().max()
    assert error < 0.15
    assert (batch.masked - batch.clean)[inside].abs().max() > 0.5


def test_inpaint_does_not_look_into_the_hole() -> None:
    batch = faces()
    other = Faces(batch.ids, torch.where(batch.hole > 0, -batch.masked, batch.masked), batch.hole, batch.hole)
    method = Inpaint(3.0)
    assert torch.equal(method.unmask(batch).raw, method.unmask(other).raw)


def test_radius_must_be_positive() -> None:
    with pytest.raises(UnmaskError, match=r"method\.radius"):
        Inpaint(0.0)


def test_where_no_face_mask_was_found_nothing_changes() -> None:
    """occlusion=auto leaves the hole of such a picture empty."""
    batch = faces()
    empty = replace(batch, occlusion=torch.zeros_like(batch.occlusion), hole=torch.zeros_like(batch.hole))
    made = Inpaint.build(InpaintConfig(), context()).unmask(empty[0])
    occlusion = OcclusionConfig(source=OcclusionSource.auto)
    finished = finish(made, empty[0], occlusion, FaceMetrics(identity=False, expression=False))
    assert torch.equal(finished.composite, empty.masked[0])
    measured = finished.measurements
    assert measured["hole/lpips"].reason == measured["hole/psnr"].reason == NO_HOLE
