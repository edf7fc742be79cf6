"""Writes network pickles with the structure of NVlabs' training loops, out of networks of ours with random weights."""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.small_stylegan2 import random_state
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.mapping import Mapping as MappingNetwork
from unmask.generators.stylegan2.synthesis import Synthesis

TINY = GeneratorArchitecture(16, 8, 8, mapping_layers=2, channel_base=64, channel_max=8)
CLASS_NAMES = {
    "Mapping": "MappingNetwork",
    "Synthesis": "SynthesisNetwork",
    "SynthesisBlock": "SynthesisBlock",
    "SynthesisLayer": "SynthesisLayer",
    "ToRGB": "ToRGBLayer",
    "FullyConnected": "FullyConnectedLayer",
    "Shortcut": "Conv2dLayer",
}
SOURCE = "raise SystemExit('the embedded source was run')"


class EasyDict(dict[str, Any]):
    """Stands for dnnlib.util.EasyDict while a pickle is written."""


EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"


def _reconstruct_persistent_obj(meta: Any) -> None:
    """Stands for that of torch_utils.persistence."""


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """What torch_utils.persistence makes of an instance when it is pickled."""

    def __init__(self, class_name: str, state: dict[str, Any], **changes: Any) -> None:
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": class_name, "state": state}
        self.class_name, self.state, self.meta = class_name, state, meta | changes

    def __reduce__(self) -> tuple[Callable[[Any], None], tuple[Any]]:
        return _reconstruct_persistent_obj, (EasyDict(self.meta),)


def record(module: nn.Module, table: type[dict[Any, Any]] = dict, **attributes: Any) -> Persistent:
    """A network of ours as NVlabs' code would pickle it; `table` is OrderedDict in files of older torch."""
    modules = {name: child and record(child, table, **attributes) for name, child in module.named_children()}
    state = {
        "training": False,
        "_parameters": table(module.named_parameters(recurse=False)),
        "_buffers": table(module._buffers),
        "_non_persistent_buffers_set": set(module._non_persistent_buffers_set) | {"scratch"},
        "_backward_hooks": OrderedDict(),
        "_modules": table(modules),
        "weight_gain": np.float64(0.25),
        "padding": np.int64(1),
        "resolutions": [4, 8],
        **attributes,
    }
    state["_buffers"]["scratch"] = torch.ones(3)
    return Persistent(CLASS_NAMES[type(module).__name__], state)


def generator(
    settings: GeneratorArchitecture = TINY,
    options: Mapping[str, Any] | None = None,
    table: type[dict[Any, Any]] = dict,
    **attributes: Any,
) -> Persistent:
    """A generator with the weights of `random_state`; `options` are told to its constructor besides the sizes."""
    mapping = MappingNetwork(settings.z_dim, settings.c_dim, settings.w_dim, settings.mapping_layers)
    synthesis = Synthesis(settings)
    networks = nn.ModuleDict({"mapping": mapping, "synthesis": synthesis})
    networks.load_state_dict(random_state(settings))
    told = ada_options(settings) if options is None else options
    state = {
        "_parameters": table(),
        "_buffers": table(),
        "_modules": table(
            mapping=record(mapping, table),
            synthesis=record(synthesis, table, **({"conv_clamp": settings.conv_clamp} | attributes)),
        ),
        "_init_args": (),
        "_init_kwargs": EasyDict(
            z_dim=settings.z_dim,
            c_dim=settings.c_dim,
            w_dim=settings.w_dim,
            img_resolution=settings.resolution,
            img_channels=3,
            mapping_kwargs=EasyDict(num_layers=settings.mapping_layers),
            **told,
        ),
    }
    return Persistent("Generator", state)


def ada_options(settings: GeneratorArchitecture, **more: Any) -> dict[str, Any]:
    """As stylegan2-ada-pytorch tells them."""
    return {"synthesis_kwargs": EasyDict(stylegan3_options(settings, **more))}


def stylegan3_options(settings: GeneratorArchitecture, **more: Any) -> dict[str, Any]:
    """As stylegan3 tells them."""
    return {"channel_base": settings.channel_base, "channel_max": settings.channel_max, **more}


def dumped(content: Any, protocol: int = 4, pickler: type[pickle.Pickler] = pickle.Pickler) -> bytes:
    """Pickled while the modules that it names seem to be there."""
    fakes = {
        name: types.ModuleType(name) for name in ("dnnlib", "dnnlib.util", "torch_utils", "torch_utils.persistence")
    }
    fakes["dnnlib.util"].EasyDict = EasyDict  # type: ignore[attr-defined]
    fakes["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    kept = {name: sys.modules.get(name) for name in fakes}
    sys.modules.update(fakes)
    try:
        stream = io.BytesIO()
        pickler(stream, protocol=protocol).dump(content)
        return stream.getvalue()
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def snapshot(g_ema: Any, **more: Any) -> dict[str, Any]:
    """The outer dictionary."""
    options = EasyDict(class_name="training.dataset.ImageFolderDataset", path="faces.zip")
    return {"training_set_kwargs": options, "G": None, "D": None, "G_ema": g_ema, "augment_pipe": None, **more}


def write_pickle(path: Path, g_ema: Any, protocol: int = 4, **more: Any) -> Path:
    path.write_bytes(dumped(snapshot(g_ema, **more), protocol))
    return path
