"""A differentiable embedding of faces that knows people apart, for losses; the metric uses another network.

dlib's face recognition network (King 2017, dlib_face_recognition_resnet_model_v1): a ResNet of 29 convolutions
(examples/dnn_face_recognition_ex.cpp) that maps an aligned face to 128 numbers; two faces nearer than 0.6 are taken for
one person's. Here it is plain PyTorch, with the scales that followed its convolutions folded into them.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask import weights

SIZE = 150
"""Side of the picture the network looks at, in pixels."""
MEAN = (122.782, 117.001, 104.298)
"""Subtracted from its colours, in 8-bit levels; then they are divided by 256."""
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels and blocks of each level, and whether its first block halves the picture."""
CHIP = (0.164, 0.263, 0.690)
"""Left, top and side of what dlib's alignment cuts out of an FFHQ-aligned picture, as shares of its side: medians over
60 FFHQ faces. Their embeddings are 0.18 from those of dlib's own alignment in the mean, strangers' 0.80."""
LOOK = 128
"""Pictures are first shrunk to this many pixels, so that one means the same at any size."""
NUMBERS = 128
"""Of an embedding."""


@final
class FaceEmbedding(nn.Module):
    """FFHQ-aligned pictures -> embeddings."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(3, 32, 7, 2)]
        channels = 32
        for out, blocks, halves in LEVELS:
            for block in range(blocks):
                down = halves and block == 0
                convolutions.append(nn.Conv2d(channels, out, 3, 2 if down else 1, 0 if down else 1))
                convolutions.append(nn.Conv2d(out, out, 3, padding=1))
                channels = out
        self.convolutions = nn.ModuleList(convolutions)
        self.linear = nn.Linear(256, NUMBERS, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def pretrained(cls, dtype: torch.dtype | None = None) -> FaceEmbedding:
        """With dlib's weights, on the CPU; convolutions in `dtype`, or in float32.

        Raises:
            UnmaskError: they cannot be had, see `unmask.weights`.
        """
        return cls.of(weights.load("dlib-face"), dtype)

    @classmethod
    def of(cls, tensors: dict[str, Tensor], dtype: torch.dtype | None = None) -> FaceEmbedding:
        """With these weights, on the CPU; convolutions in `dtype`, or in that of the weights.

        Raises:
            RuntimeError: they are of another network.
        """
        network = cls()
        network.load_state_dict(tensors)
        network.convolutions.to(dtype)
        return network

    @property
    def dtype(self) -> torch.dtype:
        """What the convolutions are computed in."""
        return next(self.convolutions.parameters()).dtype

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) in [-1,1], FFHQ-aligned -> (B,128)."""
        return self.embed(chips(pictures))

    def embed(self, chips: Tensor) -> Tensor:
        """(B,3,150,150) in [-1,1], aligned as dlib does -> (B,128)."""
        x = (((chips + 1) * 127.5 - self.mean) / 256).to(self.dtype)
        first, *others = self.convolutions
        x = F.max_pool2d(F.relu(first(x)), 3, 2)
        for inner, outer in zip(others[::2], others[1::2], strict=True):
            short = F.avg_pool2d(x, 2) if inner.stride == (2, 2) else x
            x = F.relu(_add(outer(F.relu(inner(x))), short))
        return self.linear(x.mean((2, 3)).to(chips.dtype))


def chips(pictures: Tensor) -> Tensor:
    """(B,3,H,W), FFHQ-aligned -> (B,3,150,150), where dlib's alignment would have put the face."""
    left, top, side = CHIP
    line = (torch.arange(SIZE, device=pictures.device) + 0.5) / SIZE * side
    rows, columns = torch.meshgrid(line + top, line + left, indexing="ij")
    grid = (torch.stack([columns, rows], -1) * 2 - 1).expand(len(pictures), -1, -1, -1)
    return F.grid_sample(F.adaptive_avg_pool2d(pictures, LOOK), grid.to(pictures), align_corners=False)


def _add(x: Tensor, y: Tensor) -> Tensor:
    """The sum of two maps (B,C,H,W), each continued with zeros to the size of the larger, as dlib adds."""
    shape = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]

    def padded(z: Tensor) -> Tensor:
        c, h, w = (wanted - given for wanted, given in zip(shape, z.shape[1:], strict=True))
        return F.pad(z, (0, w, 0, h, 0, c))

    return padded(x) + padded(y)
