"""Which reader a file needs: decided by what it holds, whatever its name."""

from __future__ import annotations

from pathlib import Path

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.checkpoints.checkpoint import MAX_BYTES, Checkpoint
from unmask.generators.stylegan2.checkpoints.converted import read_converted
from unmask.generators.stylegan2.checkpoints.nvlabs import read_nvlabs
from unmask.generators.stylegan2.checkpoints.rosinality import read_rosinality
from unmask.tensorfiles import is_safetensors, is_torch_file

PICKLE = b"\x80"
HEAD_BYTES = 64
KINDS = (
    "a .pkl of NVlabs/stylegan2-ada-pytorch or NVlabs/stylegan3, a .pt of rosinality/stylegan2-pytorch, or a "
    ".safetensors of `python -m unmask.convert`"
)


def read_checkpoint(path: Path, network: GeneratorNetwork = GeneratorNetwork.g_ema) -> Checkpoint:
    """A StyleGAN2 generator from any of the files that are known; nothing that the file holds is run.

    Args:
        network: which of the file's generators.
    Raises:
        UnmaskError: there is no such file, it is damaged, or it holds something else; the message says what.
    """
    try:
        if path.is_dir():
            raise UnmaskError(f"{path}: a directory; give {KINDS}.")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise UnmaskError(f"{path}: there is no such file (from {Path.cwd()}). Give {KINDS}.") from error
    except OSError as error:
        raise UnmaskError(f"{path}: cannot be read ({error.strerror}).") from error
    if size > MAX_BYTES:
        raise UnmaskError(f"{path}: is {size / 1e9:.1f} GB large, ten times as much as any StyleGAN2; give {KINDS}.")
    if is_safetensors(head):  # first, for the length it begins with may look like a pickle
        return read_converted(path, network)
    if is_torch_file(head):
        return read_rosinality(path, network)
    if head.startswith(PICKLE):
        return read_nvlabs(path, network)
    raise UnmaskError(f"{path}: {_guess(head)}; give {KINDS}.")


def _guess(head: bytes) -> str:
    text = head.lstrip().lower()
    if not head:
        return "empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, which a server sent in place of the file"
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of git-lfs; fetch the file it stands for with `git lfs pull`"
    return "no checkpoint of StyleGAN2"
