"""A network as an ONNX file that says what it is."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from unmask import __version__
from unmask.errors import UnmaskError
from unmask.export.kinds import Exported
from unmask.files import atomic_path
from unmask.onnxmodels import CONTRACT, KIND, METADATA, open_model

OPSET = 18
"""Of 2022; runtimes of browsers and phones know it."""
TOLERANCE = 1e-3
"""How far the file may be from the network in PyTorch, for pictures in [-1,1]: an eighth of a grey level."""


def export(exported: Exported, path: Path) -> float:
    """Write the file atomically, after it was run beside the network.

    Returns:
        The largest difference between the two, on the examples and on a batch of one.
    Raises:
        UnmaskError: the extra `onnx` is missing, the file cannot be written, or its numbers are not the network's.
    """
    _check_installed()
    import onnx

    try:
        with quiet():
            program = torch.onnx.export(
                exported.network,
                kwargs=exported.inputs,
                input_names=list(exported.inputs),
                output_names=[exported.output],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes={name: {0: torch.export.Dim("batch", min=1)} for name in exported.inputs},
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnmaskError(
            f"{exported.kind}: torch {torch.__version__} cannot export it ({reason}). A newer torch may; it is known "
            "to work with 2.14."
        ) from error
    assert program is not None
    model = program.model_proto
    model.producer_name, model.producer_version = "unmask", __version__
    model.doc_string = exported.summary
    onnx.helper.set_model_props(model, {METADATA: json.dumps(facts(exported), ensure_ascii=False)})
    try:
        with atomic_path(path) as temporary:
            onnx.save(model, temporary)
            onnx.checker.check_model(str(temporary))
            difference = largest_difference(exported, temporary)
            if not difference <= TOLERANCE:
                raise UnmaskError(
                    f"{path}: not written, since onnxruntime's numbers are up to {difference:.2g} from PyTorch's, more "
                    f"than {TOLERANCE:g}. Please report this with the versions of torch, onnx and onnxruntime."
                )
    except OSError as error:
        raise UnmaskError(f"{path}: cannot be written ({error}). Make room, or name another file.") from error
    return difference


def facts(exported: Exported) -> dict[str, object]:
    """What the file says of itself."""
    image = exported.inputs["image"]
    said: dict[str, object] = {
        KIND: exported.kind,
        "summary": exported.summary,
        "unmask": __version__,
        "torch": torch.__version__,
        "size": image.shape[-1],
        "image": "float32 RGB, batch x channels x height x width, black -1, white 1",
    }
    if "hole" in exported.inputs:
        said["hole"] = "float32, 1 where the face is hidden, else 0"
    if exported.contract is not None:
        said[CONTRACT] = exported.contract.as_json()
    return said


@torch.no_grad()
def largest_difference(exported: Exported, path: Path) -> float:
    """Between the file and the network, over the examples together and the first alone."""
    model = open_model(path, threads=torch.get_num_threads(), cuda=False)
    found = 0.0
    for count in (len(exported.inputs["image"]), 1):
        inputs = {name: value[:count] for name, value in exported.inputs.items()}
        made = model.run(exported.output, {name: value.numpy() for name, value in inputs.items()})
        wanted: Tensor = exported.network(**inputs)
        assert made.shape == wanted.shape
        found = max(found, float((torch.from_numpy(made) - wanted).abs().max()))
    return found


def _check_installed() -> None:
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise UnmaskError(f"{' and '.join(missing)} must be installed to export: pip install 'unmask[onnx]'.")


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter tells of its own affairs, at length."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
