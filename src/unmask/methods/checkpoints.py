"""Weights of generators in files: our own (safetensors) and those of junyanz/pytorch-CycleGAN-and-pix2pix (.pth)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from unmask.config import Checkpoint, TrainedMethodConfig
from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.methods.reference_files import as_if_without_dropout, described
from unmask.tensorfiles import (
    UNREADABLE,
    Damaged,
    checked_weights,
    is_state,
    parsed,
    read_safetensors,
    read_torch_file,
    shown,
    unwrapped,
)
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
    held, state = state, _without_idle_statistics(state, own)
    if complaint := mismatch(state, own):
        raise UnmaskError(
            f"method.checkpoint={checkpoint}: {path} does not fit the configured network: {complaint}. "
            f"{described(held).advice(config)}"
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
        # Written by Python: a full disk is an OSError then.
        temporary.write_bytes(save(tensors, metadata={METADATA: json.dumps({"method": method, **facts})}))


def read(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a file, and the method that made it where the file says.

    Raises:
        UnmaskError: it is neither safetensors nor a torch file of plain tensors; nothing in it is executed.
    """
    try:
        if path.suffix == ".safetensors":
            tensors, metadata = read_safetensors(path)
            facts = parsed(metadata.get(METADATA, "{}"))
            if not isinstance(facts, dict):
                raise Damaged("its description is not a table")
            checked_weights(tensors)
            method = facts.get("method")
            return tensors, method if isinstance(method, str) else None
        content = unwrapped(read_torch_file(path))
        if not is_state(content):
            raise UnmaskError(
                f"{path}: holds {_held(content)}, not a network's tensors by name; give a generator's file, such as "
                "latest_net_G.pth."
            )
        checked_weights(content)
    except UNREADABLE as error:
        raise UnmaskError(f"{path}: cannot be read as a file of weights ({error}). Nothing in it was run.") from error
    return as_if_without_dropout(content), None


def _held(content: object) -> str:
    if not isinstance(content, dict):
        return shown(content)
    return ", ".join(map(shown, list(content)[:5])) or "nothing"


def _without_idle_statistics(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Files of PyTorch before 0.4 hold running statistics of instance norm that were never used."""
    return {name: tensor for name, tensor in state.items() if name in own or not name.endswith(STATISTICS)}
