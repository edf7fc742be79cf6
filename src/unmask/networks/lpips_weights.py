"""What LPIPS has learnt about VGG-16's channels (Zhang et al. 2018), from the authors' own package."""

from __future__ import annotations

from importlib.resources import as_file, files

from torch import Tensor

from unmask.errors import UnmaskError
from unmask.tensorfiles import read_torch_file

LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
"""The layers LPIPS compares."""


def lpips_channel_weights(layers: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Per layer (C,), not negative: weights of the squared differences of unit feature vectors.

    Raises:
        UnmaskError: a layer that LPIPS does not compare.
    """
    unknown = [layer for layer in layers if layer not in LPIPS_LAYERS]
    if unknown:
        raise UnmaskError(
            f"method.lpips_weights: LPIPS has no weights for {', '.join(unknown)}; set method.perceptual_layers to "
            f"some of {', '.join(LPIPS_LAYERS)}, or method.lpips_weights=false."
        )
    with as_file(files("lpips") / "weights" / "v0.1" / "vgg.pth") as path:
        state = read_torch_file(path)
    return tuple(state[f"lin{LPIPS_LAYERS.index(layer)}.model.1.weight"].flatten() for layer in layers)
