"""A network that tells w_plus from the visible part of a picture, in one pass.

Richardson et al. 2021 ("Encoding in Style", pSp, arXiv:2008.00951) introduced encoders into W+. This one is small, sees
where the face mask is, and only corrects the w that the linear model of `unmask.projection.regression` expects.
scripts/train_encoder.py trains it on the generator's own faces.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.tensorfiles import UNREADABLE, checked_weights, parsed, read_safetensors

SIZE = 128
"""Side of the pictures the network looks at, in pixels."""
CHANNELS = (64, 128, 256, 384)
"""Of the features at 32, 16, 8 and 4 pixels."""
BLOCKS = (1, 2, 2, 1)
"""Residual blocks at each of these sizes."""
HIDDEN = 384
FIRST_SHAPE = {"channels": (64, 128, 224, 256), "blocks": (1, 2, 2, 1)}
"""Of encoders that do not say so themselves, the first that were made."""


@final
class LatentEncoder(nn.Module):
    """A residual network (He et al. 2015) from picture and visibility to a correction of w for each group of layers.

    Attributes:
        groups: number of the first layer of each group, the first 0; layers of a group share their w, as in style
            mixing (Karras et al. 2019).
        num_ws: layers in all.
        axes: (w_dim,w_dim) principal directions of w in rows, each as long as its standard deviation: the units of
            what the network says.
    """

    axes: Tensor

    def __init__(
        self,
        groups: tuple[int, ...],
        num_ws: int,
        w_dim: int = 512,
        *,
        channels: tuple[int, ...] = CHANNELS,
        blocks: tuple[int, ...] = BLOCKS,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.num_ws = num_ws
        self.shape = {"groups": groups, "num_ws": num_ws, "w_dim": w_dim, "channels": channels, "blocks": blocks}
        self.register_buffer("axes", torch.eye(w_dim))
        self.first = _convolution(16, channels[0], stride=2)
        stages: list[nn.Module] = [ResidualBlock(channels[0]) for _ in range(blocks[0])]
        for (fine, coarse), count in zip(pairwise(channels), blocks[1:], strict=True):
            stages.append(_convolution(fine, coarse, stride=2))
            stages += [ResidualBlock(coarse) for _ in range(count)]
        self.stages = nn.Sequential(*stages)
        self.hidden = nn.Linear(channels[-1] * (SIZE // 32) ** 2, HIDDEN)
        self.last = nn.Linear(HIDDEN, len(groups) * w_dim)
        nn.init.zeros_(self.last.weight)  # untrained, it corrects nothing
        nn.init.zeros_(self.last.bias)

    def forward(self, masked: Tensor, visible: Tensor) -> Tensor:
        """Corrections for what is visible, a row for each group.

        Args:
            masked: (B,3,H,W) in [-1,1]; visible: (B,1,H,W), 0 where nothing may be looked at. H and W multiples of 128.
        Returns:
            (B,groups,w_dim), along `axes`.
        """
        seen = 1 - F.adaptive_max_pool2d(1 - visible, SIZE)
        shown = F.adaptive_avg_pool2d(masked, SIZE) * seen
        features = self.first(F.pixel_unshuffle(torch.cat([shown, 2 * seen - 1], 1), 2))
        features = self.stages(features).flatten(1)
        return self.last(F.silu(self.hidden(features))).float().unflatten(1, (len(self.groups), -1))

    @torch.no_grad()
    def w_plus(self, masked: Tensor, visible: Tensor, expected_w: Tensor) -> Tensor:
        """The w of every layer: (B,num_ws,w_dim).

        Args:
            masked, visible: as for `forward`.
            expected_w: (B,w_dim), what `PictureModel.expected_w` says of the same pictures.
        """
        w = expected_w[:, None] + self(masked, visible) @ self.axes
        return w[:, self.group_of_layers()].clone()

    def group_of_layers(self) -> Tensor:
        """(num_ws,) index of each layer's group."""
        edges = torch.tensor(self.groups[1:], device=self.axes.device)
        return torch.bucketize(torch.arange(self.num_ws, device=self.axes.device), edges, right=True)

    def save(self, path: Path, facts: dict[str, object]) -> None:
        """As float16 safetensors, atomically; `facts` say how it was trained."""
        tensors = {k: v.half().contiguous() for k, v in self.state_dict().items() if v.is_floating_point()}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata={"shape": json.dumps(self.shape), "facts": json.dumps(facts)})

    @staticmethod
    def load(path: Path, num_ws: int, w_dim: int) -> LatentEncoder:
        """The trained network for a generator with so many layers, frozen, in float32 on the CPU.

        Raises:
            UnmaskError: the file is missing, holds something else, or belongs to a generator of another shape.
        """
        try:
            tensors, metadata = read_safetensors(path)
            checked_weights(tensors)
            shape = FIRST_SHAPE | parsed(metadata["shape"])
            network = LatentEncoder(
                tuple(shape["groups"]),
                shape["num_ws"],
                shape["w_dim"],
                channels=tuple(shape["channels"]),
                blocks=tuple(shape["blocks"]),
            )
            counters = {name for name, value in network.state_dict().items() if not value.is_floating_point()}
            missing, unexpected = network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
            if unexpected or set(missing) - counters:
                raise KeyError(", ".join([*unexpected, *sorted(set(missing) - counters)]))
        except (*UNREADABLE, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise UnmaskError(f"{path}: not a latent encoder ({error}); see scripts/train_encoder.py.") from error
        if (network.num_ws, len(network.axes)) != (num_ws, w_dim):
            raise UnmaskError(
                f"{path}: made for a generator with {network.num_ws} w of {len(network.axes)} numbers, but this one "
                f"has {num_ws} of {w_dim}."
            )
        return network.eval().requires_grad_(False)


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,H,W) -> the same shape."""
        return F.relu(x + self.second(self.first(x)))


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))
