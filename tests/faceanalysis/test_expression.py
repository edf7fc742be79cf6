"""Mouths of made-up landmarks, whose numbers are known, and of noise."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from unmask.faceanalysis import mouth_of


def face(*, opening: float = 0.0, width: float = 1.0, smile: float = 0.0) -> np.ndarray:
    """(106,2) landmarks with such a mouth; the centres of the eyes are one apart. All other points are elsewhere."""
    points = np.random.default_rng(0).normal(size=(106, 2)) * 10
    points[[35, 39]] = [[-0.7, 0.1], [-0.3, -0.1]]
    points[[89, 93]] = [[0.3, 0.05], [0.7, -0.05]]
    points[[62, 60]] = [[0.02, 1.0 - opening / 2], [-0.02, 1.0 + opening / 2]]
    # one corner higher than the other, as in a lopsided smile
    lean = 0.1
    points[[52, 61]] = np.array([[-0.5, lean], [0.5, -lean]]) * width / np.hypot(1, 2 * lean) + [0, 1.0 - smile]
    return points


@pytest.mark.parametrize("known", [(0.0, 0.8, -0.05), (0.25, 1.1, 0.2), (-0.01, 0.9, 0.0)])
def test_the_numbers_are_those_the_face_was_made_with(known: tuple[float, float, float]) -> None:
    opening, width, smile = known
    assert astuple(mouth_of(face(opening=opening, width=width, smile=smile))) == pytest.approx(known)


def test_scale_shift_and_turn_change_nothing_and_a_mirror_neither() -> None:
    points = face(opening=0.2, width=1.1, smile=0.15)
    expected = pytest.approx(astuple(mouth_of(points)))
    angle = 0.6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert astuple(mouth_of(points @ turn.T * 37.0 + [120.0, 80.0])) == expected
    mirrored = points * [-1, 1]
    mirrored[[35, 39, 89, 93, 52, 61]] = mirrored[[93, 89, 39, 35, 61, 52]]
    assert astuple(mouth_of(mirrored)) == expected


def test_each_number_sees_its_own_change_alone() -> None:
    plain = np.array(astuple(mouth_of(face(opening=0.1, smile=0.05))))
    assert np.array(astuple(mouth_of(face(opening=0.3, smile=0.05)))) - plain == pytest.approx([0.2, 0.0, 0.0])
    assert np.array(astuple(mouth_of(face(opening=0.1, smile=0.05, width=1.2)))) - plain == pytest.approx([0, 0.2, 0])
    assert np.array(astuple(mouth_of(face(opening=0.1, smile=0.15)))) - plain == pytest.approx([0.0, 0.0, 0.1])


def test_other_points_than_the_eyes_corners_and_the_mouth_do_not_matter() -> None:
    points = face(opening=0.2)
    used = [35, 39, 89, 93, 52, 61, 62, 60]
    moved = points + 3.0
    moved[used] = points[used]
    assert mouth_of(moved) == mouth_of(points)
