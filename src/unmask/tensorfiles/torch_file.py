"""Files of torch.save, in both of its formats, as plain values and tensors.

PyTorch's own reader of them runs a pickle machine that takes what the file says of sizes and types for granted. Here
the instructions are those of `pickle_machine`, every size is held against what the file really has, and a name that is
not on the list ends the reading. The formats: torch/serialization.py of PyTorch 2.6.
"""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, final

import torch
from torch import Tensor

from unmask.tensorfiles.budget import Budget, Damaged, Refusal
from unmask.tensorfiles.pickle_machine import Name, Vocabulary, as_key, load, shown
from unmask.tensorfiles.storage import (
    COUNT_BYTES,
    MAGIC_NUMBER,
    STORAGES,
    VERSION,
    Storage,
    StorageId,
    view_storage,
)

ZIP = b"PK\x03\x04"
"""torch.save since 1.6."""
OLD_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""torch.save before: a pickle of its magic number."""
MAX_ENTRIES = 100_000
"""Of the archive; one per tensor and a few."""
MOST_DEFLATED = 1 << 30
"""Bytes that compressed entries may unpack to. torch.save does not compress, but people do."""


@final
@dataclass(frozen=True, eq=False)
class Inert:
    """An object of a class that holds options, such as argparse.Namespace: its attributes are dropped."""

    name: str


def is_torch_file(head: bytes) -> bool:
    """Whether a file that begins so was written by torch.save."""
    return head.startswith((ZIP, OLD_TORCH))


def read_torch_file(path: Path) -> Any:
    """What was saved: dicts, lists, tuples, numbers, text and CPU tensors, which share memory where they did.

    Raises:
        Refusal: it asks for anything else, or for more than the file has.
        Damaged: it breaks off, makes no sense, or was not written by torch.save.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(len(OLD_TORCH))
        file.seek(0)
        if head.startswith(ZIP):
            return _read_zip(file, path.stat().st_size)
        if head.startswith(OLD_TORCH):
            return _read_old(file, path.stat().st_size)
    raise Damaged("it was not written by torch.save")


def _read_zip(file: BinaryIO, size: int) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            return _read_archive(archive, size)
    except (Refusal, Damaged, OSError):
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        raise Damaged(f"its archive is damaged: {(str(error) or type(error).__name__)[:100]}") from error


def _read_archive(archive: zipfile.ZipFile, size: int) -> Any:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(archive.infolist()) > MAX_ENTRIES:
        raise Refusal(f"an archive of more than {MAX_ENTRIES:,} entries")
    deflated = sum(one.file_size for one in entries.values() if one.compress_type != zipfile.ZIP_STORED)
    if deflated > MOST_DEFLATED:
        raise Refusal(f"{deflated / 1e9:.1f} GB out of a small archive")
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise Damaged("its archive is none of torch.save's")
    root, budget = roots[0], Budget(bytes=2 * size + deflated)
    if f"{root}byteorder" in entries and archive.read(f"{root}byteorder")[:16] != b"little":
        raise Refusal("numbers of a big-endian machine")

    def contents(key: str, size: int) -> bytearray:
        entry = entries.get(f"{root}data/{key}")
        if entry is None or entry.file_size != size:
            raise Damaged(f"the {size} bytes of a tensor are not there")
        return bytearray(archive.read(entry))

    with archive.open(entries[f"{root}data.pkl"]) as stream:
        return load(stream, _vocabulary(_Storages(budget, contents).of), budget)


def _read_old(file: BinaryIO, size: int) -> Any:
    """Numbers come after the pickle that speaks of them; room is made as it does, of no more than the file has."""
    budget, plain = Budget(bytes=2 * size), Vocabulary({})
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        if load(stream, plain, budget) != MAGIC_NUMBER or load(stream, plain, budget) != VERSION:
            raise Damaged("it was not written by torch.save")
        machine = load(stream, plain, budget)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise Refusal("numbers of a big-endian machine")
        room = size

        def contents(_: str, count: int) -> bytearray:
            nonlocal room
            room -= count
            if room < 0:
                raise Damaged("it breaks off in the middle")
            return bytearray(count)

        storages = _Storages(budget, contents)
        found = load(stream, _vocabulary(storages.of), budget)
        keys = load(stream, plain, budget)
        if not isinstance(keys, list) or set(map(shown, keys)) != set(map(shown, storages.known)):
            raise Damaged("its tensors are not listed as they should be")
        for key in keys:
            storage = storages.known[key]
            count = int.from_bytes(stream.read(COUNT_BYTES), "little", signed=True)
            numbers = stream.read(len(storage.archive))
            if count != storage.count or len(numbers) != len(storage.archive):
                raise Damaged("it breaks off in the middle")
            storage.archive[:] = numbers
    return found


@dataclass
class _Storages:
    """The storages that the pickle speaks of, each made once.

    Attributes:
        contents: (key, bytes) -> the bytes.
        known: by key.
    """

    budget: Budget
    contents: Callable[[str, int], bytearray]
    known: dict[str, Storage] = field(default_factory=dict)

    def of(self, id: Any) -> Storage:
        storage_type, key, count = StorageId(id).parts()
        if storage_type not in STORAGES:
            raise Refusal("a quantised tensor")
        dtype = STORAGES[storage_type]
        if key not in self.known:
            contents = self.contents(key, count * dtype.itemsize)
            self.budget.spend_bytes(len(contents))
            self.known[key] = Storage(contents, 0, count, dtype)
        storage = self.known[key]
        if (storage.count, storage.dtype) != (count, dtype):
            raise Damaged("one storage is described in two ways")
        return storage


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """A view of the storage's memory, so that many tensors of one storage cost no more than it."""
    if len(arguments) not in (6, 7):
        raise Refusal("a tensor in an unknown form")
    stored = view_storage(*arguments[:4])
    storage = stored.storage
    if not storage.count:
        return torch.empty(stored.size, dtype=storage.dtype)
    numbers = torch.frombuffer(storage.archive, dtype=storage.dtype)
    return numbers.as_strided(stored.size, stored.stride, stored.offset)


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    if not arguments or not isinstance(arguments[0], Tensor):
        raise Refusal("a parameter that is not a tensor")
    return arguments[0]


def _size(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple):
        raise Refusal("a size in an unknown form")
    return arguments[0]


def _table(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """An OrderedDict: empty and filled later, or of a list of pairs, as Python 2 wrote it."""
    pairs = arguments[0] if arguments else []
    if len(arguments) > 1 or not isinstance(pairs, list):
        raise Refusal("a dictionary in an unknown form")
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise Refusal("a dictionary in an unknown form")
    return {as_key(key): value for key, value in pairs}


def _word(arguments: tuple[Any, ...]) -> str:
    """A device."""
    return ":".join(shown(argument) for argument in arguments[:2])


def _refused(what: str) -> Callable[[tuple[Any, ...]], NoReturn]:
    def refuse(_: tuple[Any, ...]) -> NoReturn:
        raise Refusal(what)

    return refuse


def _inert(name: str) -> Callable[[tuple[Any, ...]], Inert]:
    return lambda _: Inert(name)


def _build(value: Any, state: Any) -> None:
    """Attributes that nobody asks for: a state dict's versions, options of a training."""
    if not isinstance(value, Inert) and not (type(value) is dict and isinstance(state, dict)):
        raise Refusal(f"setting the state of {shown(value)}")


CALLS: Mapping[Name, Callable[[tuple[Any, ...]], Any]] = {
    Name("collections", "OrderedDict"): _table,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_sparse_tensor"): _refused("a sparse tensor"),
    Name("torch._utils", "_rebuild_nested_tensor"): _refused("a nested tensor"),
    Name("torch.nested._internal.nested_tensor", "_rebuild_njt"): _refused("a nested tensor"),
    Name("torch._utils", "_rebuild_qtensor"): _refused("a quantised tensor"),
    Name("torch._utils", "_rebuild_meta_tensor_no_storage"): _refused("a tensor without numbers (meta)"),
    Name("torch._utils", "_rebuild_tensor_v3"): _refused("a tensor of a type that no network has"),
    Name("torch.serialization", "_get_layout"): _refused("a sparse tensor"),
    Name("torch", "Size"): _size,
    Name("torch", "device"): _word,
    Name("argparse", "Namespace"): _inert("argparse.Namespace"),
}


QUANTISED = frozenset(Name("torch", f"{kind}Storage") for kind in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4"))
DTYPES = frozenset(Name(*str(dtype).split(".")) for dtype in STORAGES.values())
WORDS = frozenset(STORAGES) | QUANTISED | DTYPES
"""What may be named, though not called."""


def _vocabulary(storage_of: Callable[[Any], Storage]) -> Vocabulary:
    return Vocabulary(CALLS, arguments=WORDS, build=_build, persistent=storage_of)
