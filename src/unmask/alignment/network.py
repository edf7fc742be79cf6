"""The network that sees where FFHQ's frame lies around a face whose mouth and chin are hidden.

It was trained by scripts/train_alignment.py on aligned faces with drawn masks, whose frames are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.tensorfiles import read_safetensors

SIZE = 128
"""Side of the pictures it looks at, in pixels."""
CHANNELS = (24, 48, 96, 128, 192)
"""Of the features, from half the picture's size down to a thirty-second of it."""
SQUEEZED, HIDDEN = 32, 128
"""Channels of the coarsest features and of the layer before the answer."""
WEIGHTS = Path(__file__).with_name("network.safetensors")
"""The shipped weights, in half precision."""


@final
class FrameNetwork(nn.Module):
    """Pictures of rough frames to what takes these to the true ones."""

    def __init__(self) -> None:
        super().__init__()
        layers = [_convolution(12, CHANNELS[0])]
        for fine, coarse in pairwise(CHANNELS):
            layers += [_convolution(fine, coarse, 2), _convolution(coarse, coarse)]
        self.body = nn.Sequential(*layers)
        self.squeeze = nn.Conv2d(CHANNELS[-1], SQUEEZED, 1)
        cells = (SIZE // 2 ** len(CHANNELS)) ** 2
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(SQUEEZED * cells, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,SIZE,SIZE) RGB in [-1,1] -> (B,4).

        The first two numbers are the true frame's centre seen from the rough one's, x and y in units of half its side;
        the others the logarithm of how much larger the true frame is, and how far it is turned, clockwise as seen in
        the picture, in radians.
        """
        return self.head(self.squeeze(self.body(F.pixel_unshuffle(pictures, 2))))


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class Trained:
    """What ships.

    Attributes:
        network: frozen, on the CPU.
        weight, bias: (4,212) and (4,) float64, from the 106 landmarks x,y in a look at the frame, in units of half its
            side from its middle, to an answer like the network's.
    """

    network: FrameNetwork
    weight: np.ndarray
    bias: np.ndarray


@cache
def trained() -> Trained:
    """Read once a process."""
    tensors, _ = read_safetensors(WEIGHTS)
    floats = {name: value.to(torch.float32) for name, value in tensors.items()}
    weight, bias = (floats.pop(f"landmarks.{name}").double().numpy() for name in ("weight", "bias"))
    network = FrameNetwork()
    network.load_state_dict(floats, strict=False)
    return Trained(network.eval().requires_grad_(False), weight, bias)
