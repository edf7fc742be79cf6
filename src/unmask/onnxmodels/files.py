"""An ONNX file as a session, with its inputs and outputs in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.errors import UnmaskError
from unmask.onnxmodels.session import CPU, open_session

DTYPES: dict[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""What the numbers of inputs may be, by onnxruntime's names."""


@dataclass(frozen=True)
class Port:
    """An input or output.

    Attributes:
        shape: the length of every axis, None where it is free.
        kind: the type of its numbers, as onnxruntime calls it.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str

    def __str__(self) -> str:
        axes = ", ".join("any" if length is None else str(length) for length in self.shape)
        return f"{self.name} ({axes}) {self.kind.removeprefix('tensor(').removesuffix(')')}"


@dataclass(frozen=True)
class OnnxModel:
    """Attributes:
    path: the file.
    session: an onnxruntime.InferenceSession.
    metadata: the file's own notes, text by name.
    """

    path: Path
    session: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]

    def ports(self) -> str:
        """Inputs and outputs in one sentence."""
        inputs, outputs = ("; ".join(map(str, ports)) or "none" for ports in (self.inputs, self.outputs))
        return f"Its inputs: {inputs}. Its outputs: {outputs}."

    def run(self, output: str, values: dict[str, np.ndarray]) -> np.ndarray:
        """The output of that name.

        Raises:
            UnmaskError: the model cannot be run on `values`.
        """
        try:
            (made,) = self.session.run([output], values)
        except Exception as error:  # onnxruntime's errors have no common class of their own
            given = "; ".join(f"{name} {tuple(value.shape)} {value.dtype}" for name, value in values.items())
            raise UnmaskError(
                f"{self.path}: the model failed on {given} ({_first_line(error)}). {self.ports()} If it works at one "
                "size only, set method.size to that, or data.resolution."
            ) from error
        return np.asarray(made)


def open_model(path: Path, *, threads: int, cuda: bool) -> OnnxModel:
    """Open an ONNX file, for so many `threads` of the CPU, or on the first GPU where `cuda` and onnxruntime can.

    Raises:
        UnmaskError: there is no such file, or onnxruntime cannot load it.
    """
    import onnxruntime

    if not path.is_file():
        raise UnmaskError(f"method.model={path}: no such file (from {Path.cwd()}).")
    wanted = ("CUDAExecutionProvider", CPU) if cuda else (CPU,)
    providers = [one for one in wanted if one in onnxruntime.get_available_providers()]
    try:
        session = open_session(str(path), threads=threads, providers=providers)
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise UnmaskError(
            f"method.model={path}: not an ONNX model that onnxruntime {onnxruntime.__version__} can load "
            f"({_first_line(error)}). A model in several files needs all of them side by side."
        ) from error
    return OnnxModel(
        path,
        session,
        tuple(map(_port, session.get_inputs())),
        tuple(map(_port, session.get_outputs())),
        dict(session.get_modelmeta().custom_metadata_map),
    )


def _port(found: Any) -> Port:
    lengths = (length if isinstance(length, int) and length > 0 else None for length in found.shape or ())
    return Port(found.name, tuple(lengths), found.type)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
