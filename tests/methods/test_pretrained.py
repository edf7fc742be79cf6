"""Weights that ship: they load into the method's defaults and unmask."""

from __future__ import annotations

import torch
from hydra import compose, initialize_config_dir

from unmask import data
from unmask.building import typed
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, Pix2PixConfig, register
from unmask.config_dir import config_dir, sample_root
from unmask.losses import masked_mean
from unmask.methods.checkpoints import PRETRAINED, SHIPPED, load_generator
from unmask.methods.pix2pix import Pix2Pix
from unmask.sweep.naming import register_resolvers

MOST_BYTES = 15e6


def test_shipped_files_are_small() -> None:
    (path,) = SHIPPED.glob("*.safetensors")
    assert path.name == "pix2pix.safetensors"
    assert path.stat().st_size <= MOST_BYTES


def test_pix2pix_unmasks_the_sample() -> None:
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = typed(compose("run", ["method=pix2pix", f"method.checkpoint={PRETRAINED}"]))
    assert isinstance(settings.method, Pix2PixConfig)
    method = Pix2Pix(settings.method)
    load_generator(method.generator, PRETRAINED, settings.method)
    painted = OcclusionConfig(source=OcclusionSource.painted)
    dataset = data.load_dataset(DataConfig(root=sample_root(), limit=4), painted)
    (faces,) = data.batches(dataset, 4)
    assert faces.clean is not None
    made = method.unmask(faces).raw
    error, before = (masked_mean((one - faces.clean).square(), faces.hole) for one in (made, faces.masked))
    assert bool((error < 0.3 * before).all())
    assert torch.equal(made * faces.visible, faces.masked * faces.visible)
