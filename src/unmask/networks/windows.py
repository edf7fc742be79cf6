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
    found = []
    for one in hole[:, 0]:
        rows, columns = (one > 0).any(1), (one > 0).any(0)
        found.append(Window(_extent(rows, HEIGHT), _extent(columns, WIDTH)))
    return tuple(found)


def cut(images: Tensor, windows: Sequence[Window]) -> Tensor:
    """(B,C,H,W) -> (B,C,h,w), each picture's window."""
    return torch.stack([one[:, w.rows, w.columns] for one, w in zip(images, windows, strict=True)])


def _extent(covered: Tensor, share: float) -> slice:
    """covered (N,) -> a part of `share` of N, its middle at that of what is covered."""
    size = len(covered)
    length = round(share * size)
    places = covered.nonzero().flatten().tolist()
    middle = (places[0] + places[-1] + 1) // 2 if places else size // 2
    start = min(max(middle - length // 2, 0), size - length)
    return slice(start, start + length)
