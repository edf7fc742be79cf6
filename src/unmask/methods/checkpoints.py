"""Weights of generators in files: our own (safetensors) and those of junyanz/pytorch-CycleGAN-and-pix2pix (.pth)."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unmask.config import Checkpoint, TrainedMethodConfig
from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.weights.mismatch import mismatch

PRETRAINED = "pretrained"
SHIPPED = Path(__file__).parent / "pretrained"
"""Weights that come with the package, NAME.safetensors."""
FOLDER = "checkpoints"
"""Where a training keeps its weights, below the run directory."""
METADATA = "unmask"
"""The entry of a file's metadata that holds what it is and how it was made, as JSON."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def load_generator(network: nn.Module, checkpoint: str, config: TrainedMethodConfig) -> None:
    """Fill `network` from `method.checkpoint`.

    Raises:
        UnmaskError: there is no such file, it cannot be read as plain tensors, or it was made by another method or for
            another network; the message says which settings fit, as far as the file tells.
    """
    path = find(checkpoint, config.name)
    state, method = read(path)
    if method is not None and method != config.name:
        raise UnmaskError(f"method.checkpoint={checkpoint}: {path} was trained by method={method}, not {config.name}.")
    own = network.state_dict()
    state = _without_idle_statistics(state, own)
    if complaint := mismatch(state, own):
        raise UnmaskError(
            f"method.checkpoint={checkpoint}: {path} does not fit the configured network: {complaint}. {_hint(state)}"
        )
    network.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()})


def find(checkpoint: str, method: str) -> Path:
    """The file `method.checkpoint` means: shipped weights, a file, or the best (else last) of a run directory.

    Raises:
        UnmaskError: there is none.
    """
    if checkpoint == PRETRAINED:
        path = SHIPPED / f"{method}.safetensors"
        if not path.is_file():
            raise UnmaskError(
                f"method.checkpoint=pretrained: no weights of method={method} ship with the package. Leave it out to "
                "train, or name a file or the directory of a run."
            )
        return path
    path = Path(checkpoint).expanduser()
    if path.is_file():
        return path
    for kind in Checkpoint:
        found = path / FOLDER / f"{kind.value}.safetensors"
        if found.is_file():
            return found
    raise UnmaskError(
        f"method.checkpoint={checkpoint}: no such file, nor a run directory with {FOLDER}/best.safetensors (from "
        f"{Path.cwd()})."
    )


def save_generator(network: nn.Module, path: Path, *, method: str, facts: Mapping[str, object]) -> None:
    """Write the weights atomically, with `facts` (JSON) about them in the file's metadata."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        # One entry, for safetensors writes several in random order, and equal weights shall make equal files.
        save_file(tensors, temporary, metadata={METADATA: json.dumps({"method": method, **facts})})


def read(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a file, and the method that made it where the file says.

    Raises:
        UnmaskError: it is neither safetensors nor a torch file of plain tensors; nothing in it is executed.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {}).get(METADATA, "{}"))
                return {name: file.get_tensor(name) for name in file.keys()}, facts.get("method")  # noqa: SIM118
        plain = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise UnmaskError(f"{path}: cannot be read as a file of weights ({reason}).") from error
    if not isinstance(plain, Mapping) or not all(isinstance(value, Tensor) for value in plain.values()):
        raise UnmaskError(f"{path}: holds more than a network's tensors; give a generator's file, as latest_net_G.pth.")
    return {_plain_name(name): tensor for name, tensor in plain.items()}, None


def _plain_name(name: str) -> str:
    """Without what wrappers for several devices put in front, and as if residual blocks had no dropout layer."""
    name = name.removeprefix("module.")
    # With dropout the reference's blocks hold their second convolution and norm one place later.
    return name.replace("conv_block.6.", "conv_block.5.").replace("conv_block.7.", "conv_block.6.")


def _without_idle_statistics(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Files of PyTorch before 0.4 hold running statistics of instance norm that were never used."""
    return {name: tensor for name, tensor in state.items() if name in own or not name.endswith(STATISTICS)}


def _hint(state: Mapping[str, Tensor]) -> str:
    """The settings of the network a state dict belongs to, read off its names and shapes."""
    batch = any(name.endswith("running_mean") for name in state)
    norm = "batch" if batch else "instance"
    if "model.model.0.weight" in state:
        first = state["model.model.0.weight"]
        depth = sum(1 for name, tensor in state.items() if name.endswith("weight") and tensor.ndim == 4) // 2
        shown = "visible" if first.shape[1] == 4 else "masked"
        return (
            f"It holds a U-Net: method=pix2pix method.ngf={first.shape[0]} method.depth={depth} method.norm={norm} "
            f"method.input={shown}."
        )
    if "model.1.weight" in state and state["model.1.weight"].ndim == 4:
        blocks = sum(1 for name in state if name.endswith("conv_block.1.weight"))
        ngf = state["model.1.weight"].shape[0]
        return f"It holds a ResNet: method=cyclegan method.ngf={ngf} method.blocks={blocks} method.norm={norm}."
    return "It holds no U-Net or ResNet generator of that program (a discriminator's file, perhaps)."
