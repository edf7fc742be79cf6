"""The cloth itself, in its own coordinates: u runs left to right, v top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEM = 0.075
"""Width of the folded upper edge, where the wire is, as a share of the cloth's height."""
SEAM = 0.045
"""Width of the side seams, as a share of the cloth's width."""


@dataclass(frozen=True)
class Cloth:
    """What the cloth looks like at each pixel, before light falls on it.

    Attributes:
        relief: (H,W) float64, height over the smooth surface, as a share of the face's width.
        shade: (H,W) float64, how much light the folds let through, 1 = all.
        albedo: (H,W,3) float64 in [0,1].
    """

    relief: np.ndarray
    shade: np.ndarray
    albedo: np.ndarray


def weave(u: np.ndarray, v: np.ndarray, colour: tuple[float, float, float], seed: int) -> Cloth:
    """A pleated surgical mask at the coordinates `u`, `v` (H,W) in [0,1]."""
    generator = np.random.default_rng(seed)
    relief, shade = _pleats(u, v, generator)
    relief += _nose_wire(u, v, generator) + _hems(u, v) + _wrinkles(u, v, generator)
    tone = np.ones_like(u)
    tone[(v < HEM) | (v > 0.965)] = 1.035  # two more layers of cloth let less of the dark below through
    tone[(u < SEAM) | (u > 1 - SEAM)] = 1.03
    tone *= _stitches(u, v) * _fibres(u, v, generator)
    return Cloth(relief, shade, tone[..., None] * np.asarray(colour))


def _pleats(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three folds that overlap downward: a step in height and a shadow below each.

    At the side seams the folds are pressed flat and lie closer together; in the middle they open.
    """
    side = np.abs(2 * u - 1)
    relief = np.zeros_like(u)
    shade = np.ones_like(u)
    phase = generator.uniform(0, 2 * np.pi, (3, 2))
    for fold, middle in enumerate((0.34, 0.54, 0.73)):
        middle += generator.uniform(-0.02, 0.02)
        at_side = 0.47 + (middle - 0.47) * generator.uniform(0.72, 0.86)
        line = middle + (at_side - middle) * side**2.2
        line += 0.006 * np.sin(5 * u + phase[fold, 0]) + 0.003 * np.sin(13 * u + phase[fold, 1])
        below = v - line
        depth = (0.0075 - 0.002 * fold) * (1 - 0.35 * side**3)
        edge = 1 / (1 + np.exp(below / 0.005))
        # the layer above rises slowly towards its lower edge and then drops
        relief += depth * edge * np.exp(np.minimum(below, 0) / 0.10)
        under = np.exp(-np.maximum(below, 0) / (0.014 + 0.010 * (1 - side))) * (below > -0.004)
        shade -= (0.20 - 0.03 * fold) * (0.55 + 0.45 * side) * under
        # a bright lip just above the fold, where the cloth turns
        shade += 0.055 * np.exp(-(((below + 0.012) / 0.008) ** 2))
    return relief, shade


def _nose_wire(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The bump of the wire sewn into the upper hem."""
    half = generator.uniform(0.15, 0.2)
    along = 1 / (1 + np.exp((np.abs(u - 0.5) - half) / 0.008))
    across = np.exp(-(((v - 0.042) / 0.016) ** 4))
    return 0.004 * along * across


def _hems(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Steps where the cloth is doubled: upper and lower hem and the side seams."""
    hem = 1 / (1 + np.exp((v - HEM) / 0.003)) + 1 / (1 + np.exp((0.965 - v) / 0.003))
    seam = 1 / (1 + np.exp((np.minimum(u, 1 - u) - SEAM) / 0.002))
    return 0.0016 * np.maximum(hem, seam)


def _wrinkles(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Soft creases: across the cloth everywhere, and fanning out from where the loops pull."""
    relief = np.zeros_like(u)
    for _ in range(5):
        tilt, frequency = generator.normal(0, 0.22), generator.uniform(5, 14)
        phase, weight = generator.uniform(0, 2 * np.pi), generator.uniform(0.0002, 0.0007)
        bend = 0.08 * np.sin(3 * u + generator.uniform(0, 2 * np.pi))
        relief += weight * np.sin(2 * np.pi * frequency * (v + tilt * u + bend) / 2 + phase)
    for corner_u in (0.0, 1.0):
        for corner_v in (0.0, 0.9):
            du, dv = np.abs(u - corner_u), v - corner_v
            angle = np.arctan2(dv, du + 0.04)
            fan = np.sin(generator.uniform(14, 20) * angle + generator.uniform(0, 2 * np.pi))
            relief += generator.uniform(0.0008, 0.0016) * fan * np.exp(-np.hypot(du, dv) / 0.16)
    return relief


def _stitches(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Welded dots along the hems and seams, slightly darker."""

    def dots(across: np.ndarray, along: np.ndarray, position: float, count: int, width: float) -> np.ndarray:
        on_line = np.exp(-(((across - position) / width) ** 4))
        return on_line * (np.cos(2 * np.pi * count * along) > -0.2)

    inside = (u > SEAM) & (u < 1 - SEAM)
    rows = dots(v, u, 0.066, 84, 0.004) * inside + dots(v, u, 0.016, 84, 0.004) * inside
    edge = np.minimum(u, 1 - u)
    columns = sum(dots(edge, v, position, 46, 0.0035) for position in (0.014, 0.032))
    return 1 - 0.10 * np.clip(rows + columns + dots(v, u, 0.978, 84, 0.004) * inside, 0, 1)


def _fibres(u: np.ndarray, v: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pressed dots and felted fibres of the outer layer; fine enough to vanish at 256 pixels."""
    import cv2

    emboss = 0.012 * np.sin(2 * np.pi * 90 * (u + v)) * np.sin(2 * np.pi * 90 * (u - v))
    noise = generator.normal(0, 1, (256, 256)).astype(np.float32)
    noise = 0.6 * cv2.GaussianBlur(noise, (0, 0), 1.2) / 0.23 + 0.4 * cv2.GaussianBlur(noise, (0, 0), 5) / 0.056
    looked_up = cv2.remap(
        noise,
        (u * 255).astype(np.float32),
        (v * 255).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return 1 + emboss + 0.008 * looked_up
