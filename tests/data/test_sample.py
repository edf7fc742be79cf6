"""The committed sample is what its README says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import batches, load_dataset
from unmask.faces import Faces

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def faces() -> Faces:
    data = DataConfig(root=str(SAMPLE), strict=True)
    dataset = load_dataset(data, OcclusionConfig(source=OcclusionSource.painted))
    assert dataset.report.missing_masked == dataset.report.missing_clean == ()
    (everything,) = batches(dataset, len(dataset))
    return everything


def test_at_least_48_pairs_in_the_layout_of_ffhq_and_maskedface_net(faces: Faces) -> None:
    assert len(faces) >= 48
    for id in faces.ids:
        assert id.startswith("synthetic-"), "FFHQ has the plain numbers"
        folder = f"{int(id.removeprefix('synthetic-')) // 1000 * 1000:05d}"
        assert (SAMPLE / "ffhq" / folder / f"{id}.jpg").is_file()
        assert (SAMPLE / "cmfd" / folder / f"{id}_Mask.jpg").is_file()
        assert (SAMPLE / "occlusion" / folder / f"{id}.png").is_file()
    assert (SAMPLE / "README.md").is_file()
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 4_000_000


def test_the_people_differ(faces: Faces) -> None:
    assert faces.clean is not None
    flat = torch.nn.functional.avg_pool2d(faces.clean, 16).flatten(1)
    distance = torch.cdist(flat, flat) / flat.shape[1] ** 0.5
    assert (distance + 9 * torch.eye(len(flat))).min() > 0.1


def test_occlusions_are_where_the_masks_are(faces: Faces) -> None:
    assert faces.clean is not None
    share = faces.occlusion.mean((1, 2, 3))
    assert share.min() > 0.08
    assert share.max() < 0.25
    change = (faces.masked - faces.clean).abs().mean(1, keepdim=True)
    visible = (change * faces.visible).sum((1, 2, 3)) / faces.visible.sum((1, 2, 3))
    hidden = (change * faces.occlusion).sum((1, 2, 3)) / faces.occlusion.sum((1, 2, 3))
    # JPEG's change of the visible part
    assert visible.max() < 0.02
    assert (hidden > 10 * visible).all()
    assert hidden.min() > 0.15


def test_there_are_several_colours(faces: Faces) -> None:
    weights = faces.occlusion / faces.occlusion.sum((2, 3), keepdim=True)
    colours = (faces.masked * weights).sum((2, 3))
    distinct: list[torch.Tensor] = []
    for colour in colours:
        if all((colour - other).abs().max() > 0.25 for other in distinct):
            distinct.append(colour)
    assert len(distinct) >= 4
