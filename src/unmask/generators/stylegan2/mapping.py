"""z and a label -> w."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.generators.stylegan2.layers import FullyConnected, normalise_second_moment

LR_MULTIPLIER = 0.01


class Mapping(nn.Module):
    """Fully connected layers after normalising the latent; a label is embedded and appended first.

    Attributes:
        w_avg: (w_dim,) moving average of w in training; None for a discriminator's.
    """

    w_avg: Tensor | None

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, layers: int, *, w_avg_beta: float | None = 0.998) -> None:
        """`z_dim` 0: of the label alone; `w_avg_beta`: how much of the average stays at every training step."""
        super().__init__()
        assert z_dim + c_dim > 0
        self.z_dim, self.c_dim, self.w_avg_beta = z_dim, c_dim, w_avg_beta
        if c_dim > 0:
            self.embed = FullyConnected(c_dim, w_dim)
        sizes = [z_dim + (w_dim if c_dim > 0 else 0), *[w_dim] * layers]
        for index in range(layers):
            layer = FullyConnected(sizes[index], sizes[index + 1], activated=True, lr_multiplier=LR_MULTIPLIER)
            self.add_module(f"fc{index}", layer)
        self.layers = layers
        self.register_buffer("w_avg", None if w_avg_beta is None else torch.zeros(w_dim))

    def forward(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        """z (B,z_dim) standard normal, c (B,c_dim) one-hot or continuous label -> w (B,w_dim)."""
        parts = []
        if self.z_dim > 0:
            assert z is not None
            parts.append(normalise_second_moment(z))
        if self.c_dim > 0:
            assert c is not None, "a conditional network needs labels"
            parts.append(normalise_second_moment(self.embed(c)))
        w = torch.cat(parts, 1)
        for index in range(self.layers):
            w = self.get_submodule(f"fc{index}")(w)
        if self.training and self.w_avg is not None and self.w_avg_beta is not None:
            self.w_avg.copy_(w.detach().mean(0).lerp(self.w_avg, self.w_avg_beta))
        return w


def truncate(ws: Tensor, w_avg: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """Pull ws (B,L,D) towards `w_avg` (D,): 1 leaves them, 0 gives the average face; only the first `cutoff` layers."""
    count = ws.shape[1] if cutoff is None else cutoff
    return torch.cat([w_avg.lerp(ws[:, :count], psi), ws[:, count:]], 1)
