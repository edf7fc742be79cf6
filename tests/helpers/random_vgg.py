"""VGG-16 with random kernels, where only its structure matters and no weights should be needed."""

from __future__ import annotations

import torch

from unmask.networks.vgg import VGG16Features

CONVOLUTIONS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128)}
"""Channels in and out by torchvision's index, to relu2_2."""


def random_vgg(layers: tuple[str, ...], dtype: torch.dtype | None = None) -> VGG16Features:
    """Layers up to relu2_2; kernels scaled so that the activations neither grow nor fade (He et al. 2015)."""
    rng = torch.Generator().manual_seed(0)
    state = {}
    for index, (fan_in, width) in CONVOLUTIONS.items():
        kernel = torch.randn(width, fan_in, 3, 3, generator=rng)
        state[f"{index}.weight"] = kernel * (2 / (9 * fan_in)) ** 0.5
        state[f"{index}.bias"] = 0.1 * torch.randn(width, generator=rng)
    return VGG16Features(layers, state, dtype)
