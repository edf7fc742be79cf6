"""What `losses`, `adversarial`, `images` and `compositing` offer a choice of; without torch, for settings name it."""

from __future__ import annotations

from enum import Enum


class PixelLoss(Enum):
    """How generated and target pixels are compared."""

    mse = "mse"
    l1 = "l1"
    bce = "bce"


class AdversarialLoss(Enum):
    """The adversarial loss of discriminator and generator."""

    lsgan = "lsgan"
    vanilla = "vanilla"
    wgangp = "wgangp"


class Shrink(Enum):
    """How pictures are shrunk: bicubic with antialiasing, or by means over pixels."""

    bicubic = "bicubic"
    area = "area"


class Blend(Enum):
    """How the generated part is joined to the input's own pixels."""

    feather = "feather"
    membrane = "membrane"
