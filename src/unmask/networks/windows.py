"""Windows around the hole, for terms that need not see the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

HEIGHT, WIDTH = 1 / 2, 5 / 8
"""Of the picture: a face mask on an aligned face, dilated, is 110 by 155 of 256 pixels large on average."""


@dataclass(frozen=True)
class Window:
    """One picture's, in pixels."""

    rows: slice
    columns: slice


def windows_around(hole: Tensor) -> tuple[Window, ...]:
    """hole (B,1,H,W) -> a window for each picture, centred on its hole as far as the picture reaches, or in the middle
    of a picture without one."""
    return _windows(hole, HEIGHT, WIDTH)


def cut(images: Tensor, windows: Sequence[Window]) -> Tensor:
    """(B,C,H,W) -> (B,C,h,w), each picture's window."""
    return torch.stack([one[:, w.rows, w.columns] for one, w in zip(images, windows, strict=True)])


def places(hole: Tensor, share: float) -> Tensor:
    """Where a square window of `share` of the picture's side lies, centred as by `windows_around`.

    Unlike slices these are data to a compiled function, which so need not be compiled anew for every picture.

    Args:
        hole: (B,1,H,H); the window's side is a multiple of 8 pixels.
    Returns:
        (B,h,h) indices into the H·H pixels of each picture, for `take`.
    """
    size = hole.shape[-1]
    side = max(8, round(share * size / 8) * 8)
    numbers = torch.arange(size * size, device=hole.device).view(size, size)
    return torch.stack([numbers[one.rows, one.columns] for one in _windows(hole, side / size, side / size)])


def take(images: Tensor, where: Tensor) -> Tensor:
    """(B,C,H,W) -> (B,C,h,w), the pixels at the `places` of each picture."""
    flat = where.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, flat).unflatten(2, where.shape[1:])


def _windows(hole: Tensor, height: float, width: float) -> tuple[Window, ...]:
    """hole (B,1,H,W) -> windows of these shares of the picture."""
    covered = hole[:, 0] > 0
    found = zip(covered.any(2).cpu(), covered.any(1).cpu(), strict=True)  # at once: each transfer waits for the device
    return tuple(Window(_extent(rows, height), _extent(columns, width)) for rows, columns in found)


def _extent(covered: Tensor, share: float) -> slice:
    """covered (N,) -> a part of `share` of N, its middle at that of what is covered."""
    size = len(covered)
    length = round(share * size)
    places = covered.nonzero().flatten().tolist()
    middle = (places[0] + places[-1] + 1) // 2 if places else size // 2
    start = min(max(middle - length // 2, 0), size - length)
    return slice(start, start + length)
