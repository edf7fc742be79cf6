from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unmask.errors import UnmaskError
from unmask.images import from_uint8, load_image, to_uint8
from unmask.occlusion import DifferenceOcclusion
from unmask.occlusion.difference import difference_occlusion
from unmask.occlusion.painted import load_painted

SHARED = Path(os.environ.get("UNMASK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def picture(size: int, seed: int) -> torch.Tensor:
    """Smooth coloured noise, about as contrasty as a photograph."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 9, 9, generator=generator) * 1.2 - 0.8
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)[0]


def through_jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(buffer, "JPEG", quality=quality)
    return from_uint8(np.asarray(Image.open(buffer)))


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


def disc(size: int) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (((rows - 0.65 * size) ** 2 + (columns - 0.5 * size) ** 2) < (0.22 * size) ** 2).float()[None]


@pytest.mark.parametrize("size", [128, 256])
def test_a_pasted_disc_is_found_through_jpeg(size: int) -> None:
    clean, truth = picture(size, 0), disc(size)
    masked = clean * (1 - truth) + truth * torch.tensor([0.1, 0.6, 0.8])[:, None, None]
    found = difference_occlusion(through_jpeg(masked, 85), through_jpeg(clean, 92))
    assert found.shape == (1, size, size)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert iou(found, truth) > 0.93


def test_parts_of_the_mask_that_hardly_differ_are_filled_and_specks_are_dropped() -> None:
    clean, truth = picture(256, 1), disc(256)
    masked = clean * (1 - truth) + truth * torch.tensor([0.1, 0.6, 0.8])[:, None, None]
    masked[:, 160:170, 120:130] = clean[:, 160:170, 120:130]
    masked[:, 10:16, 10:16] = 0.9
    found = difference_occlusion(masked, clean)
    assert found[0, 165, 125] == 1
    assert found[0, 12, 12] == 0


def test_a_mask_cut_by_the_border_keeps_its_border() -> None:
    clean = picture(128, 2)
    truth = torch.zeros(1, 128, 128)
    truth[:, 90:, 30:100] = 1
    masked = clean * (1 - truth) + truth * 0.9
    assert iou(difference_occlusion(masked, clean), truth) > 0.95


def test_equal_pictures_are_refused() -> None:
    clean = picture(128, 3)
    with pytest.raises(UnmaskError, match="hardly differ"):
        difference_occlusion(through_jpeg(clean, 80), clean)


def test_without_clean_picture_the_error_says_what_to_supply() -> None:
    with pytest.raises(UnmaskError, match=r"00007.*occlusion\.painted_dir.*data\.clean_dir"):
        DifferenceOcclusion().find("00007", torch.zeros(3, 64, 64), None)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "ffhq_cmfd").is_dir(), reason="no real pairs here (UNMASK_SHARED_DATA)")
def test_real_pairs_agree_with_the_given_labels() -> None:
    root = SHARED / "ffhq_cmfd"
    with (root / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores = [
        iou(
            difference_occlusion(load_image(root / row["masked"]), load_image(root / row["clean"])),
            load_painted(root / row["occlusion"], 256),
        )
        for row in rows
    ]
    assert len(scores) == 120
    assert np.mean(scores) > 0.96
    assert min(scores) > 0.93
