"""Small heads that read a low-resolution picture from the middle of MobileStyleGAN.

The trunk's features at 64² and 128² already carry the picture; running the remaining blocks only to shrink their
1024² output again would cost most of the time. A head is fitted by scripts/fit_heads.py to give the shrunken picture
directly from the features and one w.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from unmask.errors import UnmaskError
from unmask.tensorfiles import UNREADABLE, read_safetensors

HEAD_BLOCKS = {128: 4, 256: 5}
"""How many blocks of the generator run before the head, by the picture's resolution."""
HEADS_PATH = Path(__file__).with_name("mobilestylegan_heads.safetensors")
"""The fitted heads that ship with the package."""


class StyledHead(nn.Module):
    """Features (B,C,H,W) and w (B,w_dim) -> twelve wavelet channels (B,12,H,W).

    Two parallel ways: a styled 1×1 convolution, and a styled bottleneck with one depthwise 3×3 and a LeakyReLU on
    either side of it. Both styles are affine in w, like the ones of the generator they stand in for.
    """

    def __init__(self, channels: int, hidden: int = 64, w_dim: int = 512) -> None:
        super().__init__()
        self.style = nn.Linear(w_dim, channels)
        self.hidden_style = nn.Linear(w_dim, hidden)
        self.reduce = nn.Conv2d(channels, hidden + 12, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.expand = nn.Conv2d(hidden, 12, 1, bias=False)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """features (B,C,H,W), w (B,w_dim) -> (B,12,H,W)."""
        mixed = self.reduce(features * self.style(w)[:, :, None, None])
        direct, hidden = mixed[:, :12], mixed[:, 12:]
        hidden = self.depthwise(F.leaky_relu(hidden, 0.2)) * self.hidden_style(w)[:, :, None, None]
        return direct + self.expand(F.leaky_relu(hidden, 0.2))


def head_resolution(head: StyledHead) -> int:
    """The picture's resolution a head was made for, told by its channels (512 at 64², 256 at 128²)."""
    return {512: 128, 256: 256}[head.style.out_features]


def load_head(resolution: int, path: Path | None = None) -> StyledHead:
    """The fitted head for `resolution` (128 or 256), from `path` or the shipped file, in float32.

    Raises:
        UnmaskError: no head for that resolution, or the file is missing or holds something else.
    """
    if resolution not in HEAD_BLOCKS:
        raise UnmaskError(
            f"generator=mobilestylegan has heads for {sorted(HEAD_BLOCKS)} pixels and renders 1024 directly, "
            f"not data.resolution={resolution}."
        )
    path = path or HEADS_PATH
    prefix = f"{resolution}."
    try:
        held, _ = read_safetensors(path)
        tensors = {k.removeprefix(prefix): v.float() for k, v in held.items() if k.startswith(prefix)}
        head = StyledHead(tensors["style.weight"].shape[0], tensors["hidden_style.weight"].shape[0])
        head.load_state_dict(tensors)
    except (*UNREADABLE, KeyError, RuntimeError) as error:
        raise UnmaskError(f"{path}: not a file of fitted heads ({error}); see scripts/fit_heads.py.") from error
    return head
