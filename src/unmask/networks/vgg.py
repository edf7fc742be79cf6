"""VGG-16 features by layer name, for perceptual losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask import weights
from unmask.errors import UnmaskError

CONVS_PER_BLOCK = (2, 2, 3, 3, 3)
"""Simonyan & Zisserman 2015, configuration D."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def layer_names() -> tuple[str, ...]:
    """relu1_1, relu1_2, relu2_1, ... relu5_3, shallow to deep."""
    return tuple(f"relu{b}_{c}" for b, n in enumerate(CONVS_PER_BLOCK, 1) for c in range(1, n + 1))


def stride(layer: str) -> int:
    """Pixels of the picture per feature, in each direction."""
    return 1 << (int(layer[4]) - 1)


def reach(layer: str) -> int:
    """How many pixels of the picture a feature sees to each side of its own cell (the receptive field's radius)."""
    block, conv = int(layer[4]), int(layer[6])
    pixels = 0
    for b, n in enumerate(CONVS_PER_BLOCK, 1):
        pixels += (conv if b == block else n) * (1 << (b - 1))
        if b == block:
            return pixels
    raise AssertionError(layer)


class VGG16Features(nn.Module):
    """The activations of some layers of VGG-16 trained on ImageNet, frozen; computes no deeper than needed."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: tuple[str, ...], state: dict[str, Tensor], dtype: torch.dtype | None = None) -> None:
        """`state` is the state dict of torchvision's ``vgg16().features``; `dtype` is that of the convolutions, if
        not that of the state.

        Raises:
            UnmaskError: a layer that does not exist.
        """
        super().__init__()
        unknown = sorted(set(layers) - set(layer_names()))
        if unknown or not layers:
            raise UnmaskError(
                f"method.perceptual_layers: {unknown or 'empty'}; choose from {', '.join(layer_names())}."
            )
        self.layers = layers
        self.blocks = nn.ModuleList()
        deepest = max(layer_names().index(layer) for layer in layers)
        index, channels, made = 0, 3, 0
        for count, width in zip(CONVS_PER_BLOCK, (64, 128, 256, 512, 512), strict=True):
            block = nn.ModuleList()
            for _ in range(count):
                if made > deepest:
                    break
                conv = nn.Conv2d(channels, width, 3, padding=1)
                conv.load_state_dict({"weight": state[f"{index}.weight"], "bias": state[f"{index}.bias"]})
                block.append(conv.to(dtype))
                channels, index, made = width, index + 2, made + 1
            index += 1  # the pooling layer
            if len(block):
                self.blocks.append(block)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    @classmethod
    def pretrained(cls, layers: tuple[str, ...], dtype: torch.dtype | None = None) -> VGG16Features:
        """With the ImageNet weights of `unmask.weights`."""
        return cls(layers, weights.load("vgg16-features"), dtype)

    @property
    def dtype(self) -> torch.dtype:
        """What the convolutions are computed in."""
        return next(self.blocks.parameters()).dtype

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """images (B,3,H,W) RGB in [-1,1] -> one (B,C,H/stride,W/stride) per requested layer, in their order, fp32."""
        x = (((images + 1) / 2 - self.mean) / self.std).to(self.dtype)
        found: dict[str, Tensor] = {}
        for b, block in enumerate(self.blocks, 1):
            if b > 1:
                x = F.max_pool2d(x, 2)
            assert isinstance(block, nn.ModuleList)
            for c, conv in enumerate(block, 1):
                x = F.relu(conv(x))
                found[f"relu{b}_{c}"] = x
        return tuple(found[layer].to(images.dtype) for layer in self.layers)
