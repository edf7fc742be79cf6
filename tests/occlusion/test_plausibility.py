"""Maps that cannot be a face mask: every real one is believed, none of their inverses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.command import QUICK, Cli, write_pair_tree
from unmask.config_dir import sample_root
from unmask.errors import UnmaskError
from unmask.occlusion.painted import PaintedOcclusion, load_painted
from unmask.occlusion.plausibility import doubt_about_map, is_inverted


def box(top: float, bottom: float, left: float, right: float, size: int = 100) -> np.ndarray:
    found = np.zeros((size, size), bool)
    found[int(top * size) : int(bottom * size), int(left * size) : int(right * size)] = True
    return found


WORN = box(0.55, 0.9, 0.25, 0.75)


@pytest.mark.parametrize(
    ("occlusion", "doubt"),
    [
        (WORN, None),
        (box(0.7, 0.75, 0.45, 0.55), "covers 0% of"),
        (box(0.2, 0.9, 0.1, 0.9), "covers 56% of"),
        (box(0.45, 0.75, 0.2, 0.7), "covers an eye"),
        (box(0.8, 1.0, 0.2, 0.8), "leaves the mouth visible"),
    ],
)
def test_what_looks_wrong_is_said(occlusion: np.ndarray, doubt: str | None) -> None:
    found = doubt_about_map(occlusion)
    assert found is None if doubt is None else doubt in str(found)
    assert not is_inverted(occlusion)


def check_all(folder: Path) -> int:
    """Every map of the folder is believed; inverted it is refused, and believed again with `invert`."""
    files = sorted(folder.rglob("*.png"))
    for path in files:
        occlusion = load_painted(path, 256)
        region = occlusion[0].numpy() > 0
        assert doubt_about_map(region) is None, path
        assert not is_inverted(region), path
        assert is_inverted(~region), path
    return len(files)


def test_the_sample_s_maps() -> None:
    assert check_all(Path(sample_root()) / "occlusion") == 48


def test_real_maps(shared_data: Path) -> None:
    assert check_all(shared_data / "ffhq_cmfd" / "occlusion") == 120


def test_an_inverted_map_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for name, region in (("upright", WORN), ("inverted", ~WORN)):
        Image.fromarray(region.astype(np.uint8) * 255).save(tmp_path / f"{name}.png")
    files = {name: tmp_path / f"{name}.png" for name in ("upright", "inverted")}
    masked = torch.zeros(3, 100, 100)
    straight, turned = PaintedOcclusion(files), PaintedOcclusion(files, invert=True)
    expected = straight.find("upright", masked, None).occlusion
    assert torch.equal(turned.find("inverted", masked, None).occlusion, expected)
    with pytest.raises(UnmaskError, match=r"inverted\.png: the map marks what is visible.*occlusion\.invert=true"):
        straight.find("inverted", masked, None)
    with pytest.raises(UnmaskError, match=r"upright\.png.*occlusion\.invert=false"):
        turned.find("upright", masked, None)


def test_a_run_over_inverted_maps_ends_with_the_way_out(unmask_cli: Cli, tmp_path: Path) -> None:
    root = write_pair_tree(tmp_path / "pairs", 2)
    for path in (root / "occlusion").rglob("*.png"):
        with Image.open(path) as image:
            inverted = Image.eval(image, lambda value: 255 - value)
        inverted.save(path)
    command = ("method=inpaint", "data.root=pairs", *QUICK, "occlusion=painted")
    answer = unmask_cli(*command, "hydra.run.dir=out")
    assert answer.code == 2
    assert "occlusion.invert=true" in answer.err
    assert unmask_cli(*command, "occlusion.invert=true", "hydra.run.dir=again").code == 0
