from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask.config import TrainingConfig
from unmask.data.augment import Augmentation, Placement, place_faces
from unmask.errors import UnmaskError
from unmask.faces import Faces

SIZE = 40


def coordinates() -> torch.Tensor:
    """(1,3,SIZE,SIZE): x in the first channel, y in the second, in [-1,1]."""
    y, x = torch.meshgrid(*2 * [torch.linspace(-1, 1, SIZE)], indexing="ij")
    return torch.stack([x, y, x * 0])[None]


def faces() -> Faces:
    """Left of the middle hidden; the hole reaches a little farther."""
    picture = coordinates()
    return Faces(("a",), picture, (picture[:, :1] < 0).float(), (picture[:, :1] < 0.2).float(), picture.clone())


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_placement_takes_the_part_it_names(mirrored: bool) -> None:
    placed = place_faces(faces(), Placement(SIZE, 16, top=3, left=10, mirrored=mirrored))
    expected = coordinates()[..., 3:19, 10:26]
    assert torch.equal(placed.masked, expected.flip(-1) if mirrored else expected)


@pytest.mark.parametrize("resize", [SIZE, 57, 29])
@pytest.mark.parametrize("mirrored", [False, True])
def test_masked_clean_occlusion_and_hole_are_placed_alike(resize: int, mirrored: bool) -> None:
    placed = place_faces(faces(), Placement(resize, 24, top=2, left=resize // 2 - 12, mirrored=mirrored))
    assert placed.ids == ("a",)
    assert placed.clean is not None and torch.equal(placed.masked, placed.clean)
    for region, border in ((placed.occlusion, 0.0), (placed.hole, 0.2)):
        assert region.shape == (1, 1, 24, 24)
        assert set(region.unique().tolist()) == {0.0, 1.0}
        x = placed.masked[:, :1]
        pixel = 2 / (resize - 1)
        assert region[x < border - pixel].min() == 1
        assert region[x > border + pixel].max() == 0


def test_draws_reach_every_position_and_mirror_half_the_pictures() -> None:
    generator = np.random.default_rng(0)
    drawn = [Augmentation(34, 32, flip=True).draw(generator) for _ in range(400)]
    assert {(placement.top, placement.left) for placement in drawn} == {(y, x) for y in range(3) for x in range(3)}
    # binomial: four deviations of sqrt(400 · 1/4) = 10
    assert sum(placement.mirrored for placement in drawn) == pytest.approx(200, abs=40)
    assert not any(Augmentation(34, 32, flip=False).draw(generator).mirrored for _ in range(50))


def test_the_generator_decides_and_augmenting_changes_nothing_else() -> None:
    augmentation = Augmentation(48, 32, flip=True)
    first, again = (augmentation.draw(np.random.default_rng(7)) for _ in range(2))
    assert first == again
    original = faces()
    place_faces(original, first)
    assert torch.equal(original.masked, coordinates())


def test_defaults_are_the_reference_settings() -> None:
    assert Augmentation.of(TrainingConfig(), 256) == Augmentation(286, 256, flip=True)
    assert Augmentation.of(TrainingConfig(crop=128), 256) == Augmentation(143, 128, flip=True)
    assert Augmentation.of(TrainingConfig(resize=256, flip=False), 256) == Augmentation(256, 256, flip=False)


def test_senseless_sizes_are_refused() -> None:
    with pytest.raises(UnmaskError, match=r"training\.resize=200.*training\.crop"):
        Augmentation.of(TrainingConfig(resize=200), 256)
    with pytest.raises(UnmaskError, match=r"training\.crop=0"):
        Augmentation.of(TrainingConfig(crop=0), 256)
