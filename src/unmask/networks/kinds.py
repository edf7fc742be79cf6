"""What these networks offer a choice of; without torch, for settings name it."""

from __future__ import annotations

from enum import Enum


class Norm(Enum):
    """Normalisation layers of image-to-image networks."""

    batch = "batch"
    instance = "instance"


class Discriminator(Enum):
    """What a discriminator judges."""

    patch = "patch"
    pixel = "pixel"
