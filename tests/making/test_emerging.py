"""Frames of the first pictures: which steps, what is on them, and the curves of the hole's metrics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unmask.config import OcclusionConfig, OcclusionSource
from unmask.evaluation.metrics import hole_psnr, hole_scores, scored_hole
from unmask.faces import Faces
from unmask.kinds import Blend
from unmask.making.emerging import FOLLOWED, FRAMES, GAP, EmergingPictures, Frames, strip
from unmask.runlog import NullRunLog

SIZE = 32
OCCLUSION = OcclusionConfig(source=OcclusionSource.painted, feather=0.0, seam=0.0, blend=Blend.feather)


class Pictures(NullRunLog):
    """Keeps the pictures."""

    def __init__(self) -> None:
        self.images: list[tuple[str, int, Tensor]] = []

    def image(self, tag: str, image: Tensor, step: int) -> None:
        self.images.append((tag, step, image))


def faces(count: int, *, clean: bool = True) -> Faces:
    rng = torch.Generator().manual_seed(0)
    masked, whole = (torch.rand(count, 3, SIZE, SIZE, generator=rng) * 2 - 1 for _ in range(2))
    occlusion = torch.zeros(count, 1, SIZE, SIZE)
    occlusion[..., 16:24, 8:24] = 1
    ids = tuple(f"{index:05d}" for index in range(count))
    return Faces(ids, masked, occlusion, occlusion, whole if clean else None)


@pytest.mark.parametrize("total", [1, 2, 5, 7, 8, 24, 44, 900, 1001])
def test_some_eight_frames_whatever_the_number_of_steps(total: int) -> None:
    due = [taken for taken in range(total + 1) if Frames(None).due(taken, total)]
    assert due[0] == 0
    assert len(due) == min(FRAMES - 1, total), "the result is the last frame, and not counted here"
    assert total not in due
    gaps = [b - a for a, b in zip(due, [*due[1:], total], strict=True)]
    assert max(gaps) - min(gaps) <= 1


def test_frames_as_asked_for() -> None:
    assert [taken for taken in range(11) if Frames(4).due(taken, 10)] == [0, 4, 8]
    assert not any(Frames(0).due(taken, 10) for taken in range(11))
    assert not Frames(None).due(0, 0), "a method without steps has nothing but its result"


def test_a_frame_is_input_raw_and_composite() -> None:
    log = Pictures()
    emerging = EmergingPictures(log, OCCLUSION, Frames(None), hole_scores)
    batch = faces(1, clean=False)
    emerging.begin(batch)
    raw = torch.full((3, SIZE, SIZE), 0.5)
    emerging.show("00000", raw, 3, 4)
    ((tag, step, picture),) = log.images
    assert (tag, step, picture.shape) == ("pictures/emerging/00000", 3, (3, SIZE, 3 * SIZE + 2 * GAP))
    shown = [picture[..., start : start + SIZE] for start in range(0, 3 * SIZE, SIZE + GAP)]
    assert torch.equal(shown[0], batch.masked[0]) and torch.equal(shown[1], raw)
    inside = batch.occlusion[0] > 0
    assert torch.equal(shown[2], torch.where(inside, raw, batch.masked[0]))
    assert emerging.curves == {}, "without a clean picture there is nothing to measure"


@pytest.mark.weights
def test_the_curves_are_means_over_the_first_pictures() -> None:
    emerging = EmergingPictures(Pictures(), OCCLUSION, Frames(None), hole_scores)
    batch = faces(FOLLOWED + 2)
    emerging.begin(batch[0])
    emerging.begin(batch)
    assert [id for id in batch.ids if emerging.follows(id)] == list(batch.ids[:FOLLOWED])
    raw = torch.zeros(3, SIZE, SIZE)
    expected = []
    for index in range(FOLLOWED):
        emerging.show(batch.ids[index], raw, 5, 20)
        joined = torch.where(batch.occlusion[index] > 0, raw, batch.masked[index])
        value = hole_psnr(joined, batch.clean[index], scored_hole(batch.occlusion[index])).value  # type: ignore[index]
        assert value is not None
        expected.append(value)
    total, count = emerging.curves["emerging/hole/psnr", 25]
    assert count == FOLLOWED and total == pytest.approx(sum(expected))
    assert emerging.curves["emerging/hole/lpips", 25][1] == FOLLOWED


@pytest.mark.weights
def test_whatever_the_steps_the_result_is_at_a_hundred_percent() -> None:
    log = Pictures()
    batch = faces(1)
    for total in (0, 24, 900):
        emerging = EmergingPictures(log, OCCLUSION, Frames(None), hole_scores)
        emerging.begin(batch)
        emerging.show_end("00000", batch.masked[0], batch.masked[0], total)
        assert {way for _, way in emerging.curves} == {100}
    assert [step for _, step, _ in log.images] == [0, 24, 900]


def test_what_scores_take_of_the_clean_picture_is_computed_once() -> None:
    asked: list[str] = []

    def score_of(one: Faces) -> Callable[[Tensor], dict[str, float]]:
        asked.extend(one.ids)
        return lambda composite: {"hole/psnr": float(composite.mean())}

    emerging = EmergingPictures(Pictures(), OCCLUSION, Frames(None), score_of)
    for taken in range(3):
        emerging.begin(faces(2))
        emerging.show("00001", torch.zeros(3, SIZE, SIZE), taken, 3)
    assert asked == ["00000", "00001"]
    assert len(emerging.curves) == 3


def test_nothing_is_followed_where_no_frames_are_wanted() -> None:
    emerging = EmergingPictures(Pictures(), OCCLUSION, Frames(0), hole_scores)
    emerging.begin(faces(1))
    assert not emerging.follows("00000")


def test_a_strip_has_white_between_its_pictures() -> None:
    black = -torch.ones(3, 2, 2)
    made = strip(black, black)
    assert made.shape == (3, 2, 4 + GAP) and (made[..., 2:-2] == 1).all() and (made[..., :2] == -1).all()
