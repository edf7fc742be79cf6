"""Scenes with the sample's people, who do not exist, to try the page on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from unmask.config_dir import sample_root
from unmask.errors import UnmaskError
from unmask.images import load_levels
from unmask.photos.scene import Placed, backdrop, compose, quad_at

SCENES = (
    ("one", (720, 900), ((2, 430.0, 390.0, 460.0, 6.0),)),
    ("two", (720, 1080), ((6, 330.0, 380.0, 420.0, -7.0), (13, 760.0, 360.0, 400.0, 9.0))),
    (
        "three",
        (640, 1280),
        ((4, 230.0, 340.0, 330.0, 5.0), (9, 640.0, 330.0, 370.0, -4.0), (20, 1040.0, 350.0, 320.0, 8.0)),
    ),
)
"""Name, height and width, and who is where: number of the person, x, y, side of the frame, turn."""


def example_photos(folder: Path) -> list[Path]:
    """Write the scenes into `folder`; none where the package was installed without its sample."""
    try:
        people = sorted((Path(sample_root()) / "cmfd").rglob("*.jpg"))
    except UnmaskError:
        return []
    return list(_written(people, folder))


def _written(people: list[Path], folder: Path) -> Iterator[Path]:
    for seed, (name, size, placed) in enumerate(SCENES):
        if max(number for number, *_ in placed) >= len(people):
            continue
        faces = []
        for number, x, y, side, turn in placed:
            picture, _ = load_levels(people[number])
            faces.append(Placed(picture, quad_at(x, y, side, turn)))
        path = folder / f"example-{name}.png"
        Image.fromarray(compose(backdrop(*size, seed), faces)).save(path)
        yield path
