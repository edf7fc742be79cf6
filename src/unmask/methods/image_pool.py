"""Generated pictures kept for the discriminator to see again (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

import random
from typing import Any, final

import torch
from torch import Tensor, nn


@final
class ImagePool(nn.Module):
    """Returns new pictures half of the time, and old ones in exchange for them otherwise.

    A module only for its state: pictures and random numbers are part of ``state_dict()``, so that a resumed training
    sees the same ones.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        """A pool of `size` 0 returns what it is given."""
        super().__init__()
        self.size = size
        self._images: list[Tensor] = []
        self._random = random.Random(seed)

    def exchange(self, images: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C,H,W), both without gradient; while the pool fills, they are the same."""
        return torch.stack([self._exchange_one(image) for image in images.detach()])

    def _exchange_one(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image.clone())
            return image
        # A pool of size 0 draws no random number.
        if self.size == 0 or self._random.uniform(0, 1) <= 0.5:
            return image
        place = self._random.randint(0, self.size - 1)
        old = self._images[place]
        self._images[place] = image.clone()
        return old

    def get_extra_state(self) -> dict[str, Any]:
        return {"images": list(self._images), "random": self._random.getstate()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self._images = list(state["images"])
        version, numbers, gauss = state["random"]
        self._random.setstate((version, tuple(numbers), gauss))
