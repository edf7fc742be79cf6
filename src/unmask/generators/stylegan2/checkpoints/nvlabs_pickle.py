"""The pickles of NVlabs' PyTorch code bases as records; their embedded source code is never looked at."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from unmask.errors import UnmaskError
from unmask.tensorfiles.budget import Budget, Damaged, Refusal
from unmask.tensorfiles.pickle_machine import Name, Vocabulary, load, shown
from unmask.tensorfiles.storage import StoredTensor, read_storage, view_storage

PERSISTENCE_VERSION = 6
"""Of torch_utils/persistence.py, since its publication."""
CLASSES = frozenset(
    {
        "Generator", "MappingNetwork", "SynthesisNetwork", "SynthesisBlock", "SynthesisLayer", "ToRGBLayer",
        "FullyConnectedLayer", "Conv2dLayer", "Discriminator", "DiscriminatorBlock", "DiscriminatorEpilogue",
        "MinibatchStdLayer", "AugmentPipe", "SynthesisInput",
    }
)  # fmt: skip
"""What networks are made of; SynthesisInput is StyleGAN3's, known so that it can be told apart."""
BYTES_OF_FILE = 4
"""So many times its size a file may ask for in texts and byte strings; protocol 2 spells bytes as text first."""
TENSORFLOW = ("dnnlib.tflib", "tfutil")
"""Modules of the code bases before PyTorch."""


@final
@dataclass(frozen=True, eq=False)
class Network:
    """A pickled network or layer: the name of its class and its attributes, by the names torch gives them."""

    class_name: str
    state: dict[Any, Any]

    def table(self, name: str) -> dict[str, Any]:
        """One of `_parameters`, `_buffers`, `_modules`, `_init_kwargs`.

        Raises:
            Refusal: it is no dictionary by names.
        """
        table = self.state.get(name, {})
        if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
            raise Refusal(f"a {self.class_name} whose {name} is not a table by names")
        return table


@final
@dataclass(eq=False)
class _Dtype:
    """numpy's type of a number, such as f8; byte order comes later, as its state."""

    code: str
    order: str = "<"


@final
class _Array:
    """A numpy array, which no StyleGAN2 needs: skipped, whatever its state is."""


def read_pickle(path: Path) -> Any:
    """What the file holds: plain values, `StoredTensor`s and `Network`s.

    Raises:
        UnmaskError: it holds anything else, breaks off, or was made by the TensorFlow code.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            budget = Budget(bytes=BYTES_OF_FILE * path.stat().st_size)
            return load(content, _vocabulary(budget), budget)
    except Refusal as refusal:
        if str(refusal).startswith(TENSORFLOW):
            raise UnmaskError(
                f"{path}: a network of the TensorFlow code ({refusal}), which cannot be read. Take its PyTorch "
                "counterpart, or convert it with legacy.py of NVlabs/stylegan2-ada-pytorch, in an environment of its "
                "own."
            ) from refusal
        raise UnmaskError(
            f"{path}: refused, for it asks for {refusal}, which no StyleGAN2 needs. Nothing in it was run. Take the "
            "published file, if this is supposed to be one."
        ) from refusal
    except Damaged as damage:
        raise UnmaskError(
            f"{path}: cannot be read as an NVlabs pickle ({damage}). It is damaged or incomplete; fetch it again."
        ) from damage


def _network(arguments: tuple[Any, ...]) -> Network:
    meta = arguments[0] if len(arguments) == 1 else None
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise Refusal("a persistent object without a state")
    if not _is(meta.get("type"), "class") or not _is(meta.get("version"), PERSISTENCE_VERSION):
        raise Refusal(f"a persistent {shown(meta.get('type'))} of version {shown(meta.get('version'))}")
    name = meta.get("class_name")
    if not isinstance(name, str) or name not in CLASSES:
        raise Refusal(f"the class {shown(name)}")
    return Network(name, meta["state"])


def _is(value: Any, wanted: str | int) -> bool:
    return type(value) is type(wanted) and value == wanted


def _parameter(arguments: tuple[Any, ...]) -> StoredTensor:
    if len(arguments) != 3 or not isinstance(arguments[0], StoredTensor):
        raise Refusal("a parameter that is not a tensor")
    return arguments[0]


def _tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    if len(arguments) not in (6, 7):
        raise Refusal("a tensor in an unknown form")
    return view_storage(*arguments[:4])


def _storage(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) != 1:
        raise Refusal("a tensor in an unknown form")
    return read_storage(arguments[0], budget)


def _scalar(arguments: tuple[Any, ...]) -> int | float | bool:
    """numpy's numbers, as Python's."""
    dtype, data = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytearray):
        raise Refusal("a numpy value that is not a plain number")
    code = _NUMBERS[dtype.code]
    if len(data) != struct.calcsize(f"={code}"):
        raise Refusal(f"a numpy number of {len(data)} bytes as {dtype.code}")
    (number,) = struct.unpack(f"{dtype.order}{code}", data)
    return number


_NUMBERS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H",
    "u1": "B", "b1": "?",
}  # fmt: skip
"""numpy's names of types -> those of `struct`."""


def _dtype(arguments: tuple[Any, ...]) -> _Dtype:
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or code not in _NUMBERS:
        raise Refusal(f"numpy values of type {shown(code)}")
    return _Dtype(code)


def _encoded(arguments: tuple[Any, ...], budget: Budget) -> bytearray:
    """How protocol 2 spells bytes."""
    text, encoding = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(text, str) or not _is(encoding, "latin1"):
        raise Refusal("text that does not stand for bytes")
    budget.spend_bytes(len(text))
    return bytearray(text, "latin-1")


def _empty(kind: Callable[[], Any]) -> Callable[[tuple[Any, ...]], Any]:
    def make(arguments: tuple[Any, ...]) -> Any:
        if arguments:
            raise Refusal(f"a {kind.__name__} in an unknown form")
        return kind()

    return make


def _set(arguments: tuple[Any, ...]) -> set[str]:
    """Of names, as a list, before protocol 4."""
    members = arguments[0] if len(arguments) == 1 else None
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        raise Refusal("a set of anything but names")
    return set(members)


def _array(_: tuple[Any, ...]) -> _Array:
    return _Array()


def _build(value: Any, state: Any) -> None:
    """A dtype's byte order; nothing else that has a state is of use, so it is left out or refused."""
    if isinstance(value, _Dtype):
        if not isinstance(state, tuple) or len(state) < 2 or not isinstance(state[1], str) or state[1] not in "<>|=":
            raise Refusal("a numpy type in an unknown form")
        value.order = {"<": "<", ">": ">", "|": "<", "=": "<"}[state[1]]
    elif not (isinstance(value, _Array) or (type(value) is dict and isinstance(state, dict))):
        raise Refusal(f"setting the state of {shown(value)}")


def _vocabulary(budget: Budget) -> Vocabulary:
    return Vocabulary(
        calls={
            **CALLS,
            Name("_codecs", "encode"): lambda arguments: _encoded(arguments, budget),
            Name("torch.storage", "_load_from_bytes"): lambda arguments: _storage(arguments, budget),
        },
        arguments=frozenset({Name("numpy", "ndarray")}),
        build=_build,
    )


CALLS: Mapping[Name, Callable[[tuple[Any, ...]], Any]] = {
    Name("torch_utils.persistence", "_reconstruct_persistent_obj"): _network,
    Name("dnnlib.util", "EasyDict"): _empty(dict),
    Name("collections", "OrderedDict"): _empty(dict),
    Name("builtins", "set"): _set,
    Name("__builtin__", "set"): _set,
    Name("__builtin__", "bytes"): _empty(bytearray),
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("numpy", "dtype"): _dtype,
    Name("numpy.core.multiarray", "scalar"): _scalar,
    Name("numpy._core.multiarray", "scalar"): _scalar,
    Name("numpy.core.multiarray", "_reconstruct"): _array,
    Name("numpy._core.multiarray", "_reconstruct"): _array,
    Name("numpy.core.numeric", "_frombuffer"): _array,
    Name("numpy._core.numeric", "_frombuffer"): _array,
}
