"""Resampling with a small FIR filter, as StyleGAN2 defines it (Karras et al. 2020, stylegan2-ada-pytorch).

Paddings are (left, right, top, bottom); a negative one crops.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The filter of every published StyleGAN2, before it is scaled to a sum of one."""

Padding = tuple[int, int, int, int]


def resample_filter() -> Tensor:
    """`TAPS` in both directions with a sum of one: (4,4)."""
    taps = torch.tensor(TAPS)
    return torch.outer(taps, taps) / taps.sum().square()


def upfirdn2d(
    x: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    flip: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Spread with zeros, pad, convolve every channel with `kernel`, thin out.

    Args:
        x: (B,C,H,W).
        kernel: (kh,kw).
        up: x's samples get this far apart; down: every so manieth result is kept.
        flip: correlate instead of convolving.
        gain: the result is multiplied with it.
    Returns:
        (B,C,h,w) with h = (H·up + top + bottom - kh) // down + 1.
    """
    batch, channels, height, width = x.shape
    if up > 1:
        x = F.pad(x.reshape(batch, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(batch, channels, height * up, width * up)
    weight = (kernel if flip else kernel.flip(0, 1)).to(x.dtype) * gain
    x = F.conv2d(F.pad(x, padding), weight.expand(channels, 1, -1, -1), groups=channels)
    return x[:, :, ::down, ::down]


def upsample2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Twice the size: (B,C,H,W) -> (B,C,2H,2W)."""
    (left, right), (top, bottom) = (((size + 1) // 2, (size - 2) // 2) for size in reversed(kernel.shape))
    return upfirdn2d(x, kernel, up=2, padding=(left, right, top, bottom), gain=4.0)


def smooth_transposed(x: Tensor) -> Tensor:
    """What follows a transposed 3×3 convolution of stride 2: pad by one, filter with `TAPS` as they are.

    Sixteen times `upfirdn2d` with `resample_filter`, gain 4 and a padding of one, for a caller that scales its
    weights. Shifts and sums, which a compiler fuses with what comes before and after.

    x (B,C,2H+1,2W+1) -> (B,C,2H,2W).
    """
    x = F.pad(x, (1, 1, 1, 1))
    x = x[..., :-3, :] + 3 * (x[..., 1:-2, :] + x[..., 2:-1, :]) + x[..., 3:, :]
    return x[..., :-3] + 3 * (x[..., 1:-2] + x[..., 2:-1]) + x[..., 3:]


TAPS_GAIN = 4.0 / 64.0
"""What `smooth_transposed` leaves to its caller: the gain of up-sampling over the squared sum of the taps."""
