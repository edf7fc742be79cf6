from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unmask.errors import UnmaskError
from unmask.occlusion import PaintedOcclusion
from unmask.occlusion.painted import load_painted

SIZE = 64
BOX = np.s_[20:44, 16:48]


def expected() -> torch.Tensor:
    occlusion = torch.zeros(1, SIZE, SIZE)
    occlusion[0][BOX] = 1
    return occlusion


def grey(low: int, high: int) -> np.ndarray:
    pixels = np.full((SIZE, SIZE), low, np.uint8)
    pixels[BOX] = high
    return pixels


def layer(colour: tuple[int, int, int], background: tuple[int, int, int, int]) -> np.ndarray:
    pixels = np.empty((SIZE, SIZE, 4), np.uint8)
    pixels[:] = background
    pixels[BOX] = (*colour, 255)
    return pixels


PAINTINGS = {
    "white on black": Image.fromarray(grey(0, 255)),
    "soft greys": Image.fromarray(grey(90, 180)),
    "one bit": Image.fromarray(grey(0, 255)).convert("1"),
    "palette": Image.fromarray(grey(0, 255)).convert("P"),
    "red on black": Image.merge("RGB", [Image.fromarray(grey(0, 255)), *[Image.new("L", (SIZE, SIZE))] * 2]),
    "black layer on transparent": Image.fromarray(layer((0, 0, 0), (0, 0, 0, 0))),
    "white layer on transparent white": Image.fromarray(layer((255, 255, 255), (255, 255, 255, 0))),
    "opaque black and white": Image.fromarray(layer((255, 255, 255), (0, 0, 0, 255))),
    "zeros and ones": Image.fromarray(grey(0, 1)),
    "sixteen bits": Image.fromarray((grey(0, 255) * np.uint16(257)).astype(np.uint16)),
}


@pytest.mark.parametrize("name", PAINTINGS)
def test_every_kind_of_paint_is_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / "00001.png"
    PAINTINGS[name].save(path)
    assert torch.equal(load_painted(path, SIZE), expected())


def test_black_and_white_within_transparent_surroundings(tmp_path: Path) -> None:
    pixels = layer((255, 255, 255), (0, 0, 0, 255))
    pixels[:, :8] = 0  # transparent
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert torch.equal(load_painted(tmp_path / "a.png", SIZE), expected())


@pytest.mark.parametrize("factor", [4, 1])
def test_any_size_is_scaled(tmp_path: Path, factor: int) -> None:
    Image.fromarray(grey(0, 255)).resize((factor * SIZE,) * 2, Image.Resampling.NEAREST).save(tmp_path / "a.png")
    assert torch.equal(load_painted(tmp_path / "a.png", SIZE), expected())
    halved = load_painted(tmp_path / "a.png", SIZE // 2)
    assert torch.equal(halved, expected()[:, ::2, ::2])


@pytest.mark.parametrize(("level", "problem"), [(0, "nothing is painted"), (255, "swapped")])
def test_blank_and_full_paintings_are_refused(tmp_path: Path, level: int, problem: str) -> None:
    Image.new("L", (SIZE, SIZE), level).save(tmp_path / "a.png")
    with pytest.raises(UnmaskError, match=problem) as caught:
        load_painted(tmp_path / "a.png", SIZE)
    assert "a.png" in str(caught.value)
    assert f"occlusion.{'invert=true' if level else 'painted_dir'}" in str(caught.value)


def test_oblong_and_broken_files_are_refused(tmp_path: Path) -> None:
    Image.new("L", (SIZE, SIZE // 2), 255).save(tmp_path / "a.png")
    with pytest.raises(UnmaskError, match="64x32"):
        load_painted(tmp_path / "a.png", SIZE)
    (tmp_path / "b.png").write_bytes(b"not a picture")
    with pytest.raises(UnmaskError, match=r"b\.png: cannot be read"):
        load_painted(tmp_path / "b.png", SIZE)


def test_an_id_without_painting_says_what_to_supply() -> None:
    with pytest.raises(UnmaskError, match=r"00007.*occlusion=painted.*occlusion=difference data\.clean_dir"):
        PaintedOcclusion({}).find("00007", torch.zeros(3, SIZE, SIZE), None)
