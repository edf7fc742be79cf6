"""Which parameters have no gradient by construction: what an optimiser makes of its rounding is not to be compared."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def without_gradient(network: nn.Module) -> set[str]:
    """Names of the biases whose sum a normalisation subtracts again right away.

    The exact gradient is zero; what is computed is rounding, on which Adam's first steps are as long as on any other,
    with the sign that the processor's order of sums happens to give.
    """
    found = set()
    for path, sequence in network.named_modules():
        if isinstance(sequence, nn.Sequential):
            for (name, layer), (_, following) in pairwise(sequence.named_children()):
                subtracts_means = "Norm" in type(following).__name__
                if isinstance(layer, CONVOLUTIONS) and layer.bias is not None and subtracts_means:
                    found.add(f"{path}.{name}.bias".lstrip("."))
    return found
