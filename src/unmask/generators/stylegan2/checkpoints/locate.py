"""From `generator.checkpoint`, a path or a URL, to a generator."""

from __future__ import annotations

from pathlib import Path

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.weights import cache_dir
from unmask.weights.url import fetch, is_url

FOLDER = "stylegan2"
"""Where checkpoints of URLs are kept, below the cache of weights."""
OFFICIAL = (
    "NVlabs' ffhq.pkl (1024 pixels; its address is in the README of NVlabs/stylegan2-ada-pytorch) or rosinality's "
    "550000.pt (256 pixels; linked from the README of rosinality/stylegan2-pytorch). NVIDIA's licence (Source Code "
    "License-NC) allows non-commercial use only"
)


def open_checkpoint(checkpoint: str | None, network: GeneratorNetwork) -> Checkpoint:
    """`read_checkpoint` of what `locate` finds.

    Raises:
        UnmaskError: see there.
    """
    path = locate(checkpoint)
    try:
        return read_checkpoint(path, network)
    except UnmaskError as error:
        if checkpoint is None or not is_url(checkpoint):
            raise
        raise UnmaskError(f"{error} It was fetched from {checkpoint}; remove it to have it fetched again.") from error


def locate(checkpoint: str | None) -> Path:
    """The file that is meant; that of a URL is downloaded once.

    Raises:
        UnmaskError: null, or the URL's file cannot be had.
    """
    if not checkpoint:
        raise UnmaskError(
            "generator=stylegan2 has no weights of its own: give generator.checkpoint=PATH or URL. For faces there are "
            f"{OFFICIAL}."
        )
    if is_url(checkpoint):
        return fetch(checkpoint, cache_dir() / FOLDER)
    return Path(checkpoint).expanduser()
