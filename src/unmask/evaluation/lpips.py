"""LPIPS on AlexNet (Zhang et al. 2018, arXiv:1801.03924), by the authors' own package."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unmask import weights

Features = tuple[Tensor, ...]
"""What LPIPS compares of one picture or several: AlexNet's five stages, each of unit length along its channels."""


def lpips_distance(a: Tensor, b: Tensor) -> Tensor:
    """LPIPS of each pair of pictures, (B,) float32: 0 the same, larger further apart.

    Args:
        a, b: (B,3,H,W) RGB in [-1,1], on one device; gradients are not followed.
    Raises:
        UnmaskError: AlexNet's weights are not there and cannot be fetched.
    """
    assert a.shape == b.shape, f"{tuple(a.shape)} and {tuple(b.shape)} differ"
    return distance_of(lpips_features(a), lpips_features(b))


def lpips_features(images: Tensor) -> Features:
    """Of (B,3,H,W) RGB in [-1,1]; compared with many others, a picture's need be computed only once.

    Raises:
        UnmaskError: AlexNet's weights are not there and cannot be fetched.
    """
    import lpips

    module = network(images.device)
    with torch.no_grad():
        # with channels last AlexNet takes three quarters of the time on a CPU
        stages = module.net(module.scaling_layer(images.float()).contiguous(memory_format=torch.channels_last))
        return tuple(lpips.normalize_tensor(stage) for stage in stages)


def distance_of(a: Features, b: Features) -> Tensor:
    """LPIPS of each pair of pictures, (B,) float32, from their features; equation 1 of the paper."""
    import lpips

    heads = network(a[0].device).lins
    with torch.no_grad():
        differences = [(one - other) ** 2 for one, other in zip(a, b, strict=True)]
        terms = [lpips.spatial_average(head(one)) for head, one in zip(heads, differences, strict=True)]
        distances: Tensor = sum(terms[1:], terms[0])
    return distances.flatten()


@cache
def network(device: torch.device) -> Any:
    """The frozen LPIPS module on `device`: v0.1, AlexNet features with the package's linear layers.

    The package would download AlexNet by itself, so it is built with a random one that is filled afterwards.
    """
    import lpips

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # torchvision's deprecation of an argument the package passes
        module = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # the package cuts torchvision's features into slices that keep their index: "slice2.3.weight" is
    # "3.weight"
    features = weights.load("alexnet-features")
    module.net.load_state_dict({name: features[name.split(".", 1)[1]] for name in module.net.state_dict()}, strict=True)
    return module.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
