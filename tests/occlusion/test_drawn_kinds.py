"""The masks that the occlusion network learns from: labels say what was drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.aligned_face import aligned_points
from unmask.data.facemask import FaceShape
from unmask.occlusion.network import SIZE

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import occlusion_kinds as kinds
import occlusion_pictures as pictures

SHAPE = FaceShape.from_106(aligned_points() * SIZE - 0.5)
SKIN = np.full((SIZE, SIZE, 3), (0.8, 0.6, 0.5), np.float32)
TEXTURE = np.random.default_rng(9).random((SIZE, SIZE, 3), np.float32)


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_respirator_is_where_its_label_says(seed: int) -> None:
    cloth = pictures.cloth_of(TEXTURE, random(seed), pale=0.7)
    masked, label = kinds.respirator(SKIN, SHAPE, cloth, random(seed))
    np.testing.assert_array_equal(masked[label == 0], SKIN[label == 0])
    assert label.min() >= 0 and label.max() <= 1
    mouth = aligned_points()[52:72].mean(0) * SIZE - 0.5
    assert label[round(mouth[1]), round(mouth[0])] == 1  # worn over the mouth
    assert 0.03 < label.mean() < 0.4
    again, same = kinds.respirator(SKIN, SHAPE, cloth, random(seed))
    np.testing.assert_array_equal(masked, again)
    np.testing.assert_array_equal(label, same)


@pytest.mark.parametrize("seed", range(12))
def test_a_flat_mask_is_where_its_label_says(seed: int) -> None:
    masked, label = pictures.flat_mask(SKIN, SHAPE, TEXTURE, random(seed))
    np.testing.assert_array_equal(masked[label == 0], SKIN[label == 0])
    again, _ = pictures.flat_mask(SKIN, SHAPE, TEXTURE, random(seed))
    np.testing.assert_array_equal(masked, again)


def test_a_hand_covers_the_mask_and_is_none() -> None:
    masked, label = kinds.respirator(SKIN, SHAPE, np.full_like(SKIN, 0.1), random(1))
    changed = 0
    for seed in range(8):
        picture, left = kinds.with_hand(masked, label, SKIN, SHAPE, random(seed))
        assert (left <= label).all()
        hidden = (label > 0.9) & (left < 0.1)
        changed += hidden.any()
        # the hand has about the colour of skin, the mask is dark
        assert not hidden.any() or picture[hidden].mean() > 0.35
    assert changed >= 5


def test_a_beard_changes_the_face_below_the_nose_alone() -> None:
    bearded = kinds.with_beard(SKIN, SHAPE, random(2))
    rows = np.nonzero((np.abs(bearded - SKIN) > 0.02).any((1, 2)))[0]
    assert rows.min() > 0.4 * SIZE
    assert (np.abs(bearded - SKIN) > 0.1).mean() > 0.02


def test_every_kind_of_print_occurs_and_differs() -> None:
    red, blue = np.array([0.9, 0.1, 0.1], np.float32), np.array([0.1, 0.1, 0.9], np.float32)

    class Chosen:
        """A generator whose first integer is given."""

        def __init__(self, kind: int) -> None:
            self.kind: int | None = kind
            self.inner = random(kind)

        def integers(self, *arguments: object, **named: object) -> object:
            if self.kind is not None:
                kind, self.kind = self.kind, None
                return kind
            return self.inner.integers(*arguments, **named)  # type: ignore[call-overload]

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    prints = [kinds.printed(red, blue, TEXTURE, Chosen(kind)) for kind in range(6)]  # type: ignore[arg-type]
    for cloth in prints:
        assert cloth.shape == (SIZE, SIZE, 3) and cloth.std() > 0.02
    for one in range(6):
        assert all(np.abs(prints[one] - prints[other]).mean() > 0.01 for other in range(one))


def test_cloth_is_black_white_and_of_skin_now_and_then() -> None:
    means = np.array([pictures.cloth_of(TEXTURE, random(seed)).mean((0, 1)) for seed in range(300)])
    assert (means.max(1) < 0.18).mean() > 0.05
    assert (means.min(1) > 0.75).mean() > 0.03
