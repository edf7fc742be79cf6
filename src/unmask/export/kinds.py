"""From the settings of a run to the network to export, with what its file says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from torch import Tensor, nn

from unmask.building import build_method, typed
from unmask.config import (
    Init,
    OnnxHidden,
    OnnxHoleRange,
    OnnxLayout,
    OnnxMarks,
    OnnxRange,
    Pix2PixConfig,
    Pix2PixInput,
    RunConfig,
    StyleGANProjConfig,
    register,
)
from unmask.config_dir import config_dir
from unmask.errors import UnmaskError
from unmask.export.networks import EncodedPictures, OcclusionProbability, Pix2PixPictures
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.occlusion.network import shipped_network
from unmask.onnxmodels import Stated
from unmask.shell import check_overrides
from unmask.sweep.naming import register_resolvers

CPU = torch.device("cpu")
NO_STEPS = {
    "init": Init.encoder,
    "w_steps": 0,
    "steps": 0,
    "tune_steps": 0,
    "num_samples": 1,
    "layer_shrinkage": 0.0,
    "shrink_full": False,
    "render_full": False,
    "use_occlusion": True,
}
"""Settings of stylegan_proj with which it is a network and nothing else."""


@dataclass(frozen=True)
class Exported:
    """Attributes:
    kind: its name on the command line.
    summary: what it is, a sentence.
    network: frozen, on the CPU; takes the `inputs` by name.
    inputs: name -> a batch of examples.
    output: its name.
    contract: how `method=onnx` runs it; None: it makes no pictures.
    """

    kind: str
    summary: str
    network: nn.Module
    inputs: dict[str, Tensor]
    output: str
    contract: Stated | None


def prepare(kind: str, overrides: tuple[str, ...] = ()) -> Exported:
    """What is to be exported.

    Args:
        kind: a key of `KINDS`.
        overrides: as after `python -m unmask.run`.
    Raises:
        UnmaskError: the overrides, or what they name, cannot be used or exported.
    """
    recipe, make = KINDS[kind]
    return make(settings((*recipe, *overrides)))


def _pix2pix(settings: RunConfig) -> Exported:
    if not isinstance(settings.method, Pix2PixConfig):
        raise UnmaskError(f"method={settings.method.name} is not pix2pix; leave it out.")
    method = build_method(settings, CPU)
    assert isinstance(method, Pix2Pix)
    if method.config.checkpoint is None:
        raise UnmaskError("method.checkpoint=null has not learnt anything; name a file or a run, or leave it out.")
    told = method.config.input is Pix2PixInput.visible
    inputs = _examples(settings.data.resolution, hole=told)
    summary = "Pix2Pix (Isola et al. 2017): the picture with its hole filled."
    if not told:
        summary = "Pix2Pix (Isola et al. 2017): the whole picture without the face mask."
    return Exported("pix2pix", summary, Pix2PixPictures(method), inputs, "picture", _contract(hole=told))


def _encoder(settings: RunConfig) -> Exported:
    config = settings.method
    if not isinstance(config, StyleGANProjConfig):
        raise UnmaskError(f"method={config.name} has no encoder; leave it out.")
    for name, value in NO_STEPS.items():
        if vars(config)[name] != value:
            shown = value.value if isinstance(value, Init) else str(value).lower()
            raise UnmaskError(f"method.{name}: only {shown} can be exported, since a network takes no steps.")
    method = build_method(settings, CPU)
    assert isinstance(method, StyleGANProjection)
    generator, start = method.generator, method.initialisation
    if not isinstance(generator, MobileStyleGAN):
        raise UnmaskError("generator: only mobilestylegan can be exported.")
    generator.compute_in(None)
    network = EncodedPictures(start.picture_model, start.encoder, generator, config.regression_ridge)
    summary = "The encoder's w_plus, rendered by MobileStyleGAN: a whole face after the visible part of the picture."
    inputs = _examples(settings.data.resolution, hole=True)
    return Exported("encoder", summary, network, inputs, "picture", _contract(hole=True))


def _occlusion(settings: RunConfig) -> Exported:
    size = settings.data.resolution
    network = OcclusionProbability(shipped_network(), size)
    summary = "How likely a face mask hides the face at each pixel; above 0.5 it does."
    return Exported("occlusion", summary, network, _examples(size, hole=False), "probability", None)


KINDS: dict[str, tuple[tuple[str, ...], Callable[[RunConfig], Exported]]] = {
    "pix2pix": (("method=pix2pix", "method.checkpoint=pretrained"), _pix2pix),
    "encoder": (("experiment=feed_forward",), _encoder),
    "occlusion": (("method=copy",), _occlusion),
}
"""Kind -> the overrides it begins with, and what makes it of the settings."""


def settings(overrides: tuple[str, ...]) -> RunConfig:
    """Those of a run with these overrides, at 256 pixels if they do not say.

    Raises:
        UnmaskError: an override cannot be used.
    """
    check_overrides(list(overrides))
    register()
    register_resolvers()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            # no pictures are read, so there need be none
            return typed(compose("run", ["data=ffhq_cmfd", "data.root=.", "data.resolution=256", *overrides]))
    except HydraException as error:
        raise UnmaskError(" ".join(str(error).split())) from error


def _examples(size: int, *, hole: bool) -> dict[str, Tensor]:
    """Two noisy pictures, for the batch's axis of an example must not be 1; half of each is hidden."""
    rng = torch.Generator().manual_seed(0)
    pictures = {"image": torch.rand(2, 3, size, size, generator=rng) * 2 - 1}
    if hole:
        hidden = torch.zeros(2, 1, size, size)
        hidden[0, :, size // 2 :] = 1
        hidden[1, :, size // 4 : size // 2, size // 4 :] = 1
        pictures["hole"] = hidden
    return pictures


def _contract(*, hole: bool) -> Stated:
    return Stated(
        picture_input="image",
        hole_input="hole" if hole else None,
        output="picture",
        layout=OnnxLayout.nchw,
        picture_range=OnnxRange.signed,
        output_range=OnnxRange.signed,
        hole_marks=OnnxMarks.hole,
        hole_range=OnnxHoleRange.unit,
        hidden=OnnxHidden.shown,  # the networks blank it themselves
    )
