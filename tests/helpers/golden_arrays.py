"""Arrays of reference programs, compared with ours; their folder says which program, and at which commit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

IMAGE_TO_IMAGE = "cyclegan_pix2pix"


class Arrays:
    """One .npz file."""

    def __init__(self, golden: Path, name: str, folder: str = IMAGE_TO_IMAGE) -> None:
        with np.load(golden / folder / f"{name}.npz", allow_pickle=False) as file:
            self.arrays = {key: file[key] for key in file.files}

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Everything whose key starts with the prefix, without it."""
        return {
            key.removeprefix(prefix): torch.from_numpy(value)
            for key, value in self.arrays.items()
            if key.startswith(prefix)
        }


def assert_close(
    ours: Tensor, reference: Tensor, *, rtol: float, atol: float, what: str, scale: float | None = None
) -> None:
    """Equal within `rtol` and `atol` times `scale`, which is the reference's largest value if it is not given."""
    scale = float(reference.abs().max()) if scale is None else scale
    torch.testing.assert_close(
        ours.detach().to(reference.dtype), reference, rtol=rtol, atol=atol * scale, msg=lambda text: f"{what}: {text}"
    )


def check_network(network: nn.Module, arrays: Arrays) -> None:
    """Forward, gradients and batch-norm statistics in every mode the file has."""
    modes = sorted({key.split(".")[1] for key in arrays.arrays if key.startswith("out.")})
    assert modes
    for mode in modes:
        network.load_state_dict(arrays.below("net."), strict=True)
        network.train(mode == "train")
        network.zero_grad()
        x = arrays.tensor("in.x").requires_grad_(True)
        y = network(x)
        (y * arrays.tensor("in.cotangent")).sum().backward()
        close = {"rtol": 1e-4, "atol": 1e-5}
        assert_close(y, arrays.tensor(f"out.{mode}.y"), **close, what=f"{mode} output")
        assert x.grad is not None
        assert_close(x.grad, arrays.tensor(f"out.{mode}.grad_x"), **close, what=f"{mode} input gradient")
        parameters = dict(network.named_parameters())
        gradients = arrays.below(f"out.{mode}.grad.")
        for name, reference in gradients.items():
            gradient = parameters[name].grad
            assert gradient is not None
            # A bias in front of instance norm has no gradient but rounding, so its layer's weight gives the scale.
            scale = float(gradients[name.replace(".bias", ".weight")].abs().max())
            assert_close(gradient, reference, **close, scale=scale, what=f"{mode} gradient of {name}")
        buffers = dict(network.named_buffers())
        for name, reference in arrays.below(f"out.{mode}.buffer_after.").items():
            assert_close(buffers[name], reference, **close, what=f"{name} after a forward pass")
