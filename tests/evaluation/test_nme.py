"""Landmarks moved by a known distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.aligned_face import aligned_points
from unmask.evaluation.nme import NO_FACE, NOTHING_INSIDE, OUTER_CORNERS_106, hole_nme
from unmask.faceanalysis import MOUTH_106, landmarks106, main_face
from unmask.faceanalysis.expression import EYES_106
from unmask.images import load_image

SIZE = 100
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "ffhq" / "00000" / "synthetic-00000.jpg"


@pytest.fixture
def face() -> np.ndarray:
    points = aligned_points() * SIZE
    points[list(OUTER_CORNERS_106)] = [[30, 47], [70, 47]]
    return points


@pytest.fixture
def lower_half() -> torch.Tensor:
    hole = torch.zeros(1, SIZE, SIZE)
    hole[:, 65:] = 1
    return hole


def test_only_landmarks_in_the_hole_count_in_units_of_the_outer_corners(
    face: np.ndarray, lower_half: torch.Tensor
) -> None:
    moved = face.copy()
    inside = face[:, 1].round() >= 65
    assert inside[list(MOUTH_106)].all() and not inside.all()
    moved[inside] += [3, 4]
    moved[~inside] += 50
    found = hole_nme(moved[None], face[None], lower_half[None])
    assert found.values == pytest.approx([5 / 40])
    assert found.reasons == (None,)


def test_one_of_many_landmarks_moved(face: np.ndarray) -> None:
    hole = torch.zeros(1, 1, SIZE, SIZE)
    hole[..., 68:73, 45:56] = 1  # the mouth, all of it in one place
    moved = face.copy()
    moved[MOUTH_106[0]] += [8, 0]
    assert hole_nme(moved[None], face[None], hole).values == pytest.approx([8 / 40 / len(MOUTH_106)])


def test_reasons(face: np.ndarray, lower_half: torch.Tensor) -> None:
    nobody, nowhere = np.full_like(face, np.nan), torch.zeros_like(lower_half)
    found = hole_nme(
        np.stack([face, face, face]), np.stack([face, nobody, face]), torch.stack([lower_half, lower_half, nowhere])
    )
    assert found.reasons == (None, NO_FACE, NOTHING_INSIDE)
    assert np.array_equal(found.values, [0, np.nan, np.nan], equal_nan=True)


def test_landmarks_outside_the_picture_are_outside_the_hole(face: np.ndarray) -> None:
    away = face + np.array([0, 2 * SIZE])
    assert hole_nme(away[None], away[None], torch.ones(1, 1, SIZE, SIZE)).reasons == (NOTHING_INSIDE,)


@pytest.mark.weights
def test_the_outer_corners_are_the_eyes_ends_furthest_apart() -> None:
    picture = load_image(SAMPLE)
    (face,) = main_face(picture)
    assert face is not None
    across = landmarks106(picture, face).points[:, 0]
    (outer_left, inner_left), (inner_right, outer_right) = EYES_106
    assert (outer_left, outer_right) == OUTER_CORNERS_106
    assert across[outer_left] < across[inner_left] < across[inner_right] < across[outer_right]
