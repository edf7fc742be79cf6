"""A StyleGAN2 with few channels and random weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from unmask.config import GeneratorNetwork
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint, Source
from unmask.generators.stylegan2.checkpoints.converted import write_converted
from unmask.generators.stylegan2.generator import StyleGAN2
from unmask.generators.stylegan2.mapping import Mapping
from unmask.generators.stylegan2.synthesis import Synthesis

SETTINGS = GeneratorArchitecture(32, 16, 16, mapping_layers=2, channel_base=256, channel_max=16)


def random_state(settings: GeneratorArchitecture = SETTINGS) -> dict[str, torch.Tensor]:
    """All tensors by their names, the same at every call; noise has a say, and pictures roughly fill [-1,1]."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mapping = Mapping(settings.z_dim, settings.c_dim, settings.w_dim, settings.mapping_layers)
        synthesis = Synthesis(settings)
        with torch.no_grad():
            for layer in synthesis.layers():
                layer.noise_strength.fill_(0.1)
            for block in synthesis.blocks():
                if block.torgb is not None:
                    block.torgb.weight.mul_(0.3)
    parts = {"mapping": mapping, "synthesis": synthesis}
    return {f"{part}.{name}": value for part, one in parts.items() for name, value in one.state_dict().items()}


def small_stylegan2(resolution: int = 32) -> StyleGAN2:
    """As a face prior, ready to project into."""
    return StyleGAN2(SETTINGS, random_state(), resolution=resolution)


def write_small_checkpoint(path: Path, resolution: int) -> Path:
    """A converted checkpoint of random weights, for `generator.checkpoint`."""
    settings = dataclasses.replace(SETTINGS, resolution=resolution, channel_base=8 * resolution)
    source = Source("nobody", GeneratorNetwork.g_ema, path.name)
    write_converted(Checkpoint(settings, random_state(settings), source), path)
    return path
