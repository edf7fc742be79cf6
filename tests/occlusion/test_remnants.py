"""What is left of a face mask beyond its map is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import batches
from unmask.data.dataset import make_dataset
from unmask.data.pairing import find_pairs
from unmask.images import from_uint8, load_image, to_uint8
from unmask.occlusion import grown
from unmask.occlusion.difference import difference_occlusion
from unmask.occlusion.painted import load_painted

SIZE = 256
SKIN, BLUE, WHITE = (205, 160, 140), (140, 198, 225), (215, 208, 205)


def face(*pieces: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
    """Skin with a blue face mask with a white upper edge, further `pieces` (top, bottom, left, right; colour), and the
    map."""
    noise = np.random.default_rng(0).normal(0, 4, (SIZE, SIZE, 3))
    picture = np.full((SIZE, SIZE, 3), SKIN, float) + noise
    picture[145:225, 70:186] = BLUE
    picture[145:151, 70:186] = (228, 238, 245)
    for (top, bottom, left, right), colour in pieces:
        picture[top:bottom, left:right] = colour
    occlusion = torch.zeros(1, SIZE, SIZE)
    occlusion[:, 145:225, 70:186] = 1
    return from_uint8(np.clip(picture, 0, 255).astype(np.uint8)), occlusion


def added(picture: Tensor, occlusion: Tensor) -> np.ndarray:
    found = grown(picture, occlusion)
    assert (found >= occlusion).all()
    return np.asarray(((found - occlusion)[0] > 0).numpy())


def inside(found: np.ndarray, box: tuple[int, int, int, int]) -> float:
    top, bottom, left, right = box
    return float(found[top:bottom, left:right].mean())


def test_a_light_bar_above_the_nose_is_taken_and_nothing_else() -> None:
    bar = (135, 138, 110, 145)
    found = added(*face((bar, WHITE)))
    assert inside(found, bar) > 0.9
    assert found.sum() < 1.3 * (bar[1] - bar[0]) * (bar[3] - bar[2])


def test_a_piece_that_adjoins_the_map_is_taken() -> None:
    """What is within two pixels is filled anyway."""
    piece = (225, 233, 124, 131)
    found = added(*face((piece, BLUE)))
    assert inside(found, (228, 232, 125, 130)) > 0.9
    assert found.sum() < 70


@pytest.mark.parametrize(
    "piece",
    [
        ((110, 113, 110, 145), WHITE),  # farther above than a mask's edge is
        ((128, 142, 120, 136), WHITE),  # as high as wide: an eye, a highlight
        ((135, 138, 110, 145), (228, 180, 158)),  # skin in the light
        ((225, 256, 60, 200), (140, 30, 40)),  # a red shirt
        ((225, 256, 0, 256), BLUE),  # a shirt of the mask's own colour is too large to be a rest of it
    ],
    ids=["far", "high", "shine", "shirt", "blue shirt"],
)
def test_what_is_something_else_stays(piece: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> None:
    assert added(*face(piece)).sum() == 0


def test_nothing_to_do_and_nothing_done() -> None:
    picture, occlusion = face()
    assert grown(picture, occlusion) is occlusion
    for empty in (torch.zeros_like(occlusion), torch.ones_like(occlusion)):
        assert grown(picture, empty) is empty


def test_the_switch_and_what_a_run_tells(unmask_cli: Cli, tmp_path: Path) -> None:
    root = write_pair_tree(tmp_path / "pairs", 1, size=SIZE)
    bar = (135, 138, 110, 145)
    picture, occlusion = face((bar, WHITE))
    cv2.imwrite(str(next((root / "cmfd").rglob("*.jpg")).with_suffix(".png")), to_uint8(picture)[..., ::-1])
    next((root / "cmfd").rglob("*.jpg")).unlink()
    cv2.imwrite(str(next((root / "occlusion").rglob("*.png"))), occlusion[0].numpy() * 255)
    run = ("method=inpaint", "data.root=pairs", *QUICK, f"data.resolution={SIZE}", "occlusion=painted")
    assert unmask_cli(*run, "hydra.run.dir=on").code == 0
    assert unmask_cli(*run, "occlusion.grow=false", "hydra.run.dir=off").code == 0
    import json

    on, off = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("on", "off"))
    assert off["grown"] == {} and 50 < on["grown"]["00000"] < 140
    for report in (on, off):
        assert report["metrics"]["visible/max_abs_change"]["mean"] == 0
    middle = (slice(None), 136, 128)
    masked = load_image(next((root / "cmfd").rglob("*.png")))
    before, after = (load_image(tmp_path / name / "composite" / "00000.png")[middle] for name in ("off", "on"))
    assert torch.equal(before, masked[middle])
    assert (after - from_uint8(np.uint8([[SKIN]]))[:, 0, 0]).abs().max() < 0.15
    assert "1 of 1 pictures" in (tmp_path / "on" / "run.log").read_text()


def rest_of(masked: np.ndarray, clean: np.ndarray, occlusion: np.ndarray, filled: np.ndarray) -> int:
    """Pixels of the face mask outside `filled` dilated by 4, within 20 of the map dilated by 4, opened 2x2: those that
    differ from the clean picture by more than 40 of 255 in a channel."""

    def away(region: np.ndarray) -> np.ndarray:
        return cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    changed = np.abs(masked.astype(int) - clean.astype(int)).max(-1) > 40
    rest = changed & (away(occlusion) > 4) & (away(occlusion) <= 24) & (away(filled) > 4)
    return int(cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).sum())


@pytest.mark.slow
@pytest.mark.parametrize(("source", "before", "after"), [("painted", 11, 2), ("difference", 11, 2)])
def test_the_120_pairs(source: str, before: int, after: int, shared_data: Path) -> None:
    """At most two keep 30 pixels or more, where eleven did, and little is added to what is filled."""
    data = DataConfig(root=str(shared_data / "ffhq_cmfd"))
    pairs, _ = find_pairs(data, OcclusionConfig(source=OcclusionSource.painted))
    assert len(pairs) == 120
    kept = {"before": 0, "after": 0}
    shares = []
    for pair in pairs:
        assert pair.clean is not None and pair.occlusion is not None
        masked, clean = load_image(pair.masked, SIZE), load_image(pair.clean, SIZE)
        found = load_painted(pair.occlusion, SIZE) if source == "painted" else difference_occlusion(masked, clean)
        filled = grown(masked, found)
        region, larger = (one[0].numpy() > 0 for one in (found, filled))
        pixels = to_uint8(masked), to_uint8(clean)
        kept["before"] += rest_of(*pixels, region, region) >= 30
        kept["after"] += rest_of(*pixels, region, larger) >= 30
        shares.append(larger.sum() / region.sum() - 1)
    assert kept["before"] == before
    assert kept["after"] <= after
    assert np.mean(shares) < 0.02


def test_the_loader_hands_it_on(tmp_path: Path) -> None:
    root = write_pair_tree(tmp_path / "pairs", 2, size=64)
    config = OcclusionConfig(source=OcclusionSource.painted)
    data = DataConfig(root=str(root), strict=True)
    pairs, report = find_pairs(data, config)
    dataset = make_dataset(pairs, report, data, config, resolution=64)
    (faces,) = batches(dataset, 2)
    assert faces.grown is not None and faces.grown.shape == faces.occlusion.shape
    assert torch.equal(faces[1].filled, faces.filled[1:])
    not_grown = OcclusionConfig(source=OcclusionSource.painted, grow=False)
    off = make_dataset(pairs, report, data, not_grown, resolution=64)
    assert off[0].grown is None and torch.equal(off[0].filled, off[0].occlusion)
