"""Light on the cloth, taken from the face it covers."""

from __future__ import annotations

import numpy as np

LUMINANCE = np.array([0.299, 0.587, 0.114])
BLUR_SIZE = 128
"""Side of the picture the slow changes of light are measured on, in pixels."""


def face_light(picture: np.ndarray, covered: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """How the covered part of the face is lit.

    Args:
        picture: (H,W,3) float64 in [0,1], the clean face.
        covered: (H,W) float64, 1 where the cloth will be.
        unit: width of the face, in pixels.
    Returns:
        gain (H,W): brightness to multiply the cloth with, about 1. Only the slow changes over the face, so
            that mouth and beard leave no print; skin darkness counts little, exposure more.
        colour (3,): tint of the light, mean 1.
    """
    import cv2

    light = picture @ LUMINANCE
    # so wide a blur needs few pixels
    height, width = light.shape
    small = (min(width, BLUR_SIZE), min(height, BLUR_SIZE))
    sigma = 0.17 * unit * small[0] / width
    covering = cv2.resize(covered, small, interpolation=cv2.INTER_AREA)
    lit = cv2.resize(light * covered, small, interpolation=cv2.INTER_AREA)
    slow = cv2.GaussianBlur(lit, (0, 0), sigma) / (cv2.GaussianBlur(covering, (0, 0), sigma) + 1e-6)
    slow = cv2.resize(slow, (width, height), interpolation=cv2.INTER_LINEAR)
    inside = covered > 0.5
    mean = float(light[inside].mean()) + 1e-6
    # the bright end of the face tells the exposure better than its mean, which is mostly skin colour
    bright = float(np.quantile(light[inside], 0.95))
    exposure = np.clip(0.62 + 0.45 * bright, 0.72, 1.03)
    gain = exposure * np.clip(slow / mean, 0.55, 1.5) ** 0.75
    skin = picture[inside].mean(0)
    # skin is reddish under any light; what departs from usual skin is the light
    usual = np.array([1.22, 0.95, 0.83])
    colour = np.clip(skin / (skin.mean() + 1e-6) / usual, 0.85, 1.15) ** 0.25
    return gain, colour / colour.mean()


def side_light(picture: np.ndarray, covered: np.ndarray) -> float:
    """Where the light comes from, -1 (the picture's left) to 1 (its right), by comparing the two cheeks."""
    light = picture @ LUMINANCE
    columns = np.arange(picture.shape[1])[None] * np.ones_like(light)
    inside = covered > 0.5
    middle = float(np.median(columns[inside]))
    left = float(light[inside & (columns < middle)].mean())
    right = float(light[inside & (columns >= middle)].mean())
    return float(np.clip(3.0 * (right - left) / (right + left + 1e-6), -1, 1))


def shade_relief(relief: np.ndarray, from_right: float, unit: float) -> np.ndarray:
    """(H,W) brightness of a relief (in face widths) lit from above and from the side; flat cloth has 1."""
    rows, columns = np.gradient(relief * unit)
    # a surface that rises downward looks up, into the light
    return np.clip(1.0 + 0.55 * rows - 0.35 * from_right * columns, 0.6, 1.3)
