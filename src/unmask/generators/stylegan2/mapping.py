"""z and a label -> w."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.generators.stylegan2.layers import FullyConnected, normalise_second_moment

LR_MULTIPLIER = 0.01


class Mapping(nn.Module):
    """Fully connected layers after normalising the latent; a label is embedded and appended first.

    Attributes:
        w_avg: (w_dim,) the average of w, which training left.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, layers: int) -> None:
        super().__init__()
        self.c_dim = c_dim
        if c_dim > 0:
            self.embed = FullyConnected(c_dim, w_dim)
        sizes = [z_dim + (w_dim if c_dim > 0 else 0), *[w_dim] * layers]
        for index in range(layers):
            layer = FullyConnected(sizes[index], sizes[index + 1], activated=True, lr_multiplier=LR_MULTIPLIER)
            self.add_module(f"fc{index}", layer)
        self.layers = layers
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z (B,z_dim) standard normal, c (B,c_dim) one-hot or continuous label -> w (B,w_dim)."""
        parts = [normalise_second_moment(z)]
        if self.c_dim > 0:
            assert c is not None, "a conditional network needs labels"
            parts.append(normalise_second_moment(self.embed(c)))
        w = torch.cat(parts, 1)
        for index in range(self.layers):
            w = self.get_submodule(f"fc{index}")(w)
        return w
