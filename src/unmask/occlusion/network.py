"""The network that sees face masks: a small U-Net (Ronneberger et al. 2015, arXiv:1505.04597).

It was trained by scripts/train_occlusion.py on face masks that the project drew itself.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.tensorfiles import read_safetensors

SIZE = 128
"""Side of the pictures the network was trained on, in pixels: a face mask is large, and shapes matter more than
threads."""
CHANNELS = (16, 32, 64, 96, 128)
"""Of the features, from half the picture's size down to a thirty-second of it."""
WEIGHTS = Path(__file__).with_name("network.safetensors")
"""The shipped weights, in half precision."""


@final
class OcclusionNetwork(nn.Module):
    """Pictures to logits: above 0 where a face mask hides the face.

    The finest features have half the picture's size, as first 2x2 pixels become channels and last channels become
    2x2 pixels: a quarter of the work, and edges are still as fine as the picture.
    """

    def __init__(self) -> None:
        super().__init__()
        steps = list(pairwise(CHANNELS))
        self.first = _convolution(12, CHANNELS[0])
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(fine, coarse, stride=2), _convolution(coarse, coarse)) for fine, coarse in steps
        )
        self.up = nn.ModuleList(_convolution(coarse + fine, fine) for fine, coarse in steps)
        self.last = nn.Conv2d(CHANNELS[0], 4, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) RGB in [-1,1], H and W multiples of 32 -> (B,1,H,W) logits."""
        features = self.first(F.pixel_unshuffle(pictures, 2))
        skipped = []
        for down in self.down:
            skipped.append(features)
            features = down(features)
        for up, fine in zip(reversed(self.up), reversed(skipped), strict=True):
            features = up(torch.cat([F.interpolate(features, scale_factor=2.0), fine], 1))
        return F.pixel_shuffle(self.last(features), 2)


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


@cache
def shipped_network() -> OcclusionNetwork:
    """The trained network, frozen, on the CPU; read once a process."""
    network = OcclusionNetwork()
    tensors, _ = read_safetensors(WEIGHTS)
    network.load_state_dict({name: value.to(torch.float32) for name, value in tensors.items()}, strict=False)
    return network.eval().requires_grad_(False)
