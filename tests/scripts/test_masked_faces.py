"""What networks are trained on: holes as they were drawn, varied, and what the linear model expects of them."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from helpers.aligned_face import aligned_points
from unmask.data.facemask import FaceShape
from unmask.generators.mobilestylegan import PICTURE_MODEL_PATH
from unmask.projection.objective import proximity
from unmask.projection.regression import PictureModel

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import train_encoder
from masked_faces import HOLE_SIZE, Photographs, drawn, hole_of, near, packed, unpacked, varied

HOLE = hole_of(FaceShape.from_106(aligned_points() * HOLE_SIZE - 0.5), 4)


def faces(count: int) -> Photographs:
    """Noise, each with the same hole."""
    pictures = torch.randint(256, (count, 3, 128, 128), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    holes = torch.from_numpy(packed(HOLE)).expand(count, 1, -1)
    return Photographs(pictures, torch.zeros(count, dtype=torch.bool), holes)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of (B,1,S,S)."""
    return (one * other).sum((1, 2, 3)) / torch.maximum(one, other).sum((1, 2, 3))


def test_packed_holes_come_back() -> None:
    bits = torch.from_numpy(packed(HOLE))[None]
    torch.testing.assert_close(unpacked(bits, HOLE_SIZE), HOLE)
    half = unpacked(bits, 128)
    assert bool((half >= HOLE[:, :, ::2, ::2]).all())  # a pixel is hidden if any part of it is


def test_varied_holes_differ_but_are_still_face_masks() -> None:
    holes = unpacked(torch.from_numpy(packed(HOLE))[None], 128).expand(200, -1, -1, -1)
    found = varied(holes, random(1))
    assert set(found.unique().tolist()) == {0.0, 1.0}
    alike = overlap(found, holes)
    assert 0.6 < float(alike.mean()) < 0.95
    assert float(alike.min()) > 0.3
    lowest = (found.amax((1, 3)) * torch.arange(128)).amax(1)
    assert int((lowest < lowest.median() - 6).sum()) in range(8, 60)  # some leave the chin bare
    torch.testing.assert_close(varied(holes, random(1)), found)


def test_mirrored_pictures_have_mirrored_holes() -> None:
    left = torch.zeros(1, 1, HOLE_SIZE, HOLE_SIZE)
    left[..., 100:200, 20:100] = 1
    face = faces(1)
    one = Photographs(face.pictures, face.coarse, torch.from_numpy(packed(left))[None, None])
    given = drawn(one, torch.empty(0, HOLE_SIZE**2 // 8, dtype=torch.uint8), 64, random(2), 128)
    original = face.pictures[0].float() / 127.5 - 1
    mirrored = torch.tensor([not torch.equal(picture, original) for picture in given.clean])
    assert 10 < int(mirrored.sum()) < 54
    columns = given.hole.sum((1, 2)) @ torch.arange(128.0) / given.hole.sum((1, 2, 3))
    torch.testing.assert_close(columns > 64, mirrored)


def test_many_expected_w_are_those_of_one_at_a_time() -> None:
    model = PictureModel.load(PICTURE_MODEL_PATH)
    given = drawn(faces(3), torch.empty(0, HOLE_SIZE**2 // 8, dtype=torch.uint8), 3, random(5), 128)
    seen = 1 - given.hole
    wanted = model.expected_w(given.clean, seen, ridge=train_encoder.RIDGE)
    # the same sums in another order, in float64
    torch.testing.assert_close(train_encoder.expected_w(model, given.clean, seen), wanted, atol=1e-4, rtol=1e-4)


def test_nearness_is_that_of_the_projection() -> None:
    hole = unpacked(torch.from_numpy(packed(HOLE))[None], 128)
    exact = proximity(1 - hole, 50.0)
    # cells of four pixels, distances along rows and columns: never more than √2 too short, 0.13 in the mean here
    assert float((near(hole, 50.0) - exact)[hole == 0].abs().mean()) < 0.13
