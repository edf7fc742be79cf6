"""The colours face masks come in."""

from __future__ import annotations

import numpy as np

COLOURS: dict[str, tuple[float, float, float]] = {
    "light_blue": (0.58, 0.82, 0.95),
    "white": (0.93, 0.94, 0.95),
    "green": (0.60, 0.83, 0.74),
    "black": (0.13, 0.13, 0.145),
    "pink": (0.95, 0.74, 0.80),
    "lavender": (0.76, 0.72, 0.90),
    "blue": (0.36, 0.58, 0.83),
}
"""Reflectance of the cloth, linear in the picture's own values, RGB in [0,1]."""
LIGHT_BLUE_SHARE = 0.5
"""Share of MaskedFace-Net's own colour; the others divide the rest."""


def colour_of(seed: int) -> str:
    """A colour for each seed: MaskedFace-Net's light blue for half of them."""
    generator = np.random.default_rng([seed, 1])
    if generator.random() < LIGHT_BLUE_SHARE:
        return "light_blue"
    return str(generator.choice([colour for colour in COLOURS if colour != "light_blue"]))
