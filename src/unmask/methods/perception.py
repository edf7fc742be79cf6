"""A perceptual term for methods that are trained."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.losses import unit_normalise
from unmask.networks.vgg import VGG16Features
from unmask.networks.windows import Window, cut

LAYERS = ("relu1_2", "relu2_2", "relu3_3")
"""Edges, textures and parts of a picture that is shrunk to half; finer detail is left to the discriminator."""


@final
class Perception:
    """Compares windows of pictures by VGG-16 features of unit length (Johnson et al. 2016; Zhang et al. 2018, equation
    1 with all channels alike).

    Not a module, and so no part of what a training optimises or saves.
    """

    def __init__(self, vgg: VGG16Features) -> None:
        self.vgg = vgg

    @classmethod
    def pretrained(cls) -> Perception:
        """With the ImageNet weights of `unmask.weights`."""
        return cls(VGG16Features.pretrained(LAYERS).to(memory_format=torch.channels_last))

    def distance(self, made: Tensor, clean: Tensor, windows: tuple[Window, ...]) -> Tensor:
        """made, clean (B,3,H,W) in [-1,1] -> (B,): squared distances of features, mean over each window at half
        its size, summed over layers."""
        self.vgg.to(made)  # where and how precisely the training computes; nothing to do after the first call
        with torch.no_grad():
            wanted = [unit_normalise(one) for one in self.vgg(F.avg_pool2d(cut(clean, windows), 2))]
        found = [unit_normalise(one) for one in self.vgg(F.avg_pool2d(cut(made, windows), 2))]
        terms = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(found, wanted, strict=True)]
        return torch.stack(terms).sum(0)
