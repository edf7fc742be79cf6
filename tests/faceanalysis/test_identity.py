"""Alignment and embeddings, without pictures of people."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask.faceanalysis import ARCFACE_TEMPLATE, cosine, detect, embed, main_face
from unmask.faceanalysis.detector import suppress
from unmask.faceanalysis.identity import align, similarity


def test_similarity_recovers_a_known_one() -> None:
    angle, scale, shift = 0.4, 1.7, np.array([5.0, -3.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = ARCFACE_TEMPLATE @ turn.T * scale + shift
    matrix = similarity(ARCFACE_TEMPLATE, target)
    # float32: pixels up to 256
    assert matrix == pytest.approx(np.concatenate([scale * turn, shift[:, None]], axis=1), abs=1e-4)


def test_similarity_is_the_least_squares_one_where_no_exact_one_exists() -> None:
    points = np.random.default_rng(0).normal(size=(5, 2)) * 20 + ARCFACE_TEMPLATE * 2
    # x' = a x - b y + c, y' = b x + a y + d
    equations = [row for x, y in points for row in ([x, -y, 1, 0], [y, x, 0, 1])]
    (a, b, c, d), *_ = np.linalg.lstsq(np.array(equations), ARCFACE_TEMPLATE.reshape(-1), rcond=None)
    expected = np.array([[a, -b, c], [b, a, d]])
    assert similarity(points, ARCFACE_TEMPLATE) == pytest.approx(expected, abs=1e-4)


def test_align_brings_the_points_onto_the_template() -> None:
    points = ARCFACE_TEMPLATE * 2 + np.array([40, 30], np.float32)
    picture = np.zeros((300, 320, 3), np.uint8)
    for x, y in points.round().astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = align(picture, points)
    assert crop.shape == (112, 112, 3)
    for x, y in ARCFACE_TEMPLATE.round().astype(int):
        assert crop[y, x].min() > 200


def testsuppression_keeps_the_best_of_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], np.float32)
    assert suppress(boxes, np.array([0.6, 0.9, 0.5], np.float32), 0.4) == [1, 2]


@pytest.mark.weights
def test_picture_has_the_identity_of_itself_and_neighbours_do_not_matter() -> None:
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    points = np.stack([ARCFACE_TEMPLATE, ARCFACE_TEMPLATE + 4])
    both = embed(images, points)
    alone = embed(images[1], points[1])
    assert both.shape == (2, 512)
    # float32
    assert np.linalg.norm(both, axis=1) == pytest.approx(np.ones(2), abs=1e-5)
    # as above
    assert cosine(both[1], alone[0]) == pytest.approx(1.0, abs=1e-6)
    assert cosine(both[0], both[1]) < 0.999


@pytest.mark.weights
def test_no_face_in_noise() -> None:
    images = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert detect(images) == ((), ())
    assert main_face(images) == (None, None)
