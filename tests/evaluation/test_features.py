"""Crops of holes and the features of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.evaluation import features
from unmask.evaluation.features import EXTRACTORS, Views, arcface_features, hole_crop, usable, vgg16_features
from unmask.faceanalysis import ARCFACE_TEMPLATE
from unmask.images import from_uint8, to_uint8


def hole(top: int, bottom: int, left: int, right: int, size: int = 64) -> Tensor:
    found = torch.zeros(1, size, size)
    found[:, top:bottom, left:right] = 1
    return found


def noise(count: int, size: int = 64) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((20, 36, 20, 36), (20, 20)),  # square already
        ((20, 36, 24, 32), (20, 20)),  # widened about its centre
        ((26, 30, 48, 64), (20, 48)),
        ((60, 64, 24, 40), (48, 24)),  # moved into the picture
        ((0, 2, 0, 16), (0, 0)),
    ],
)
def test_the_square_about_the_hole(box: tuple[int, int, int, int], square: tuple[int, int]) -> None:
    pictures, (top, left) = noise(1), square
    crop = hole_crop(pictures, hole(*box)[None], size=16)
    assert torch.equal(crop, pictures[:, :, top : top + 16, left : left + 16])


def test_crops_have_one_size_and_none_where_there_is_no_hole() -> None:
    crops = hole_crop(noise(3), torch.stack([hole(0, 64, 0, 64), hole(0, 0, 0, 0), hole(30, 31, 7, 8)]), size=32)
    assert crops.shape == (3, 3, 32, 32)
    assert crops.isfinite().flatten(1).all(1).tolist() == [True, False, True]
    wide = torch.zeros(1, 3, 8, 20)
    assert hole_crop(wide, torch.ones(1, 1, 8, 20), size=8).isfinite().all()


@pytest.mark.weights
@pytest.mark.slow
def test_vgg16_is_the_mean_of_torchvisions_last_activations_and_a_batch_is_its_pictures() -> None:
    import torchvision

    from unmask import weights

    pictures = noise(3)
    views = Views(
        pictures, torch.stack([hole(10, 42, 8, 40), hole(0, 0, 0, 0), hole(0, 64, 0, 64)]), np.zeros((3, 5, 2))
    )
    found = vgg16_features(views, batch=2)
    assert found.shape == (3, 512)
    assert usable(found).tolist() == [True, False, True]
    assert found[2:] == pytest.approx(vgg16_features(Views(pictures[2:], views.holes[2:], views.points[2:])), rel=1e-4)

    with torch.device("meta"):
        network = torchvision.models.vgg16().features
    network.load_state_dict(weights.load("vgg16-features"), assign=True)
    network = network[:30]
    rounded = torch.stack([from_uint8(to_uint8(pictures[0]))])
    crop = (hole_crop(rounded, views.holes[:1]) + 1) / 2
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = network((crop - mean.view(3, 1, 1)) / std.view(3, 1, 1)).mean((2, 3))
    assert found[:1] == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-5)


@pytest.mark.weights
def test_what_is_outside_the_crop_does_not_matter() -> None:
    pictures = noise(1)
    views = Views(pictures, hole(16, 48, 16, 48)[None], np.zeros((1, 5, 2)))
    changed = pictures.clone()
    changed[..., :16, :] = 1
    inside = pictures.clone()
    inside[..., 30, 30] += 1
    same, other = (vgg16_features(Views(one, views.holes, views.points)) for one in (changed, inside))
    assert np.array_equal(same, vgg16_features(views))
    assert not np.array_equal(other, same)


def test_arcface_asks_only_about_pictures_with_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def embed(images: Tensor, points: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.tile(images.mean((1, 2, 3)).numpy()[:, None], 512)

    monkeypatch.setattr(faceanalysis, "embed", embed)
    points = np.tile(ARCFACE_TEMPLATE / 2, (5, 1, 1))
    points[1] = np.nan
    pictures = noise(5)
    found = arcface_features(Views(pictures, torch.ones(5, 1, 64, 64), points), batch=3)
    assert asked == [3, 1]
    assert usable(found).tolist() == [True, False, True, True, True]
    assert found[[0, 2, 3, 4], 7] == pytest.approx(pictures.mean((1, 2, 3)).numpy()[[0, 2, 3, 4]])


def test_names() -> None:
    assert set(EXTRACTORS) == {"vgg16", "arcface"}
    assert features.usable(np.ones((2, 3)), np.array([[1.0], [np.nan]])).tolist() == [True, False]
