"""A tensor's numbers as torch pickles them: a small archive of one storage, and where in it the tensor lies.

The archive is torch.save's format from before zip files: five pickles one after another (magic number, version, facts
about the machine, the storage, the list of keys), then the count of numbers and the numbers themselves.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from unmask.tensorfiles.budget import Budget, Damaged, Refusal
from unmask.tensorfiles.pickle_machine import Name, Vocabulary, load, shown

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VERSION = 1001
HEAD_BYTES = 1 << 16
"""The five pickles take some 250 bytes."""
COUNT_BYTES = 8
MAX_DIMENSIONS = 8

STORAGES = {
    Name("torch", "FloatStorage"): torch.float32,
    Name("torch", "DoubleStorage"): torch.float64,
    Name("torch", "HalfStorage"): torch.float16,
    Name("torch", "BFloat16Storage"): torch.bfloat16,
    Name("torch", "LongStorage"): torch.int64,
    Name("torch", "IntStorage"): torch.int32,
    Name("torch", "ShortStorage"): torch.int16,
    Name("torch", "CharStorage"): torch.int8,
    Name("torch", "ByteStorage"): torch.uint8,
    Name("torch", "BoolStorage"): torch.bool,
}


@final
@dataclass(frozen=True, eq=False)
class Storage:
    """`count` numbers of `dtype` in `archive`, from byte `offset` on."""

    archive: bytearray
    offset: int
    count: int
    dtype: torch.dtype


@final
@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A view of a storage, in numbers; its geometry has been checked."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The numbers in memory of their own."""
        storage, width = self.storage, self.storage.dtype.itemsize
        if math.prod(self.size) == 0:
            return torch.empty(self.size, dtype=storage.dtype)
        count = _reach(self.size, self.stride)
        start = storage.offset + self.offset * width
        whole = torch.frombuffer(storage.archive, dtype=torch.uint8, offset=start, count=count * width)
        # The copy is aligned for its type, which a place in the archive need not be.
        return whole.clone().view(storage.dtype).as_strided(self.size, self.stride).contiguous()


def read_storage(archive: Any, budget: Budget) -> Storage:
    """The storage in the bytes that `torch.storage._load_from_bytes` would be called with.

    Raises:
        Refusal: it holds anything but one storage of numbers.
        Damaged: it breaks off, or does not have this format.
    """
    if not isinstance(archive, bytearray):
        raise Damaged("a tensor's numbers are not bytes")
    stream = io.BytesIO(archive[:HEAD_BYTES])
    plain = Vocabulary({})
    if load(stream, plain, budget) != MAGIC_NUMBER or load(stream, plain, budget) != VERSION:
        raise Damaged("a tensor's numbers are in no format of torch's")
    machine = load(stream, plain, budget)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise Refusal("numbers of a big-endian machine")
    description = load(stream, Vocabulary({}, arguments=frozenset(STORAGES), persistent=StorageId), budget)
    keys = load(stream, plain, budget)
    if not isinstance(description, StorageId):
        raise Refusal(f"{shown(description)} in place of a tensor's numbers")
    storage_type, key, count = description.parts()
    if not isinstance(keys, list) or keys != [key]:
        raise Damaged("a tensor's numbers are not listed as they should be")
    dtype, offset = STORAGES[storage_type], stream.tell() + COUNT_BYTES
    stored = int.from_bytes(archive[offset - COUNT_BYTES : offset], "little", signed=True)
    if stored != count or len(archive) != offset + count * dtype.itemsize:
        raise Damaged(f"a tensor should have {count} numbers, which are not there")
    return Storage(archive, offset, count, dtype)


@final
@dataclass(frozen=True, eq=False)
class StorageId:
    """The persistent id of a storage: ("storage", type, key, device, count, None), older files without the last."""

    id: Any

    def parts(self) -> tuple[Name, str, int]:
        """Type, key and count; the device does not matter."""
        if not isinstance(self.id, tuple) or len(self.id) not in (5, 6) or self.id[5:] not in ((), (None,)):
            raise Refusal("a persistent id that is not a storage's")
        word, storage_type, key, _, count = self.id[:5]
        known = isinstance(word, str) and word == "storage" and isinstance(storage_type, Name)
        if not known or not isinstance(key, str) or not _is_count(count):
            raise Refusal("a persistent id that is not a storage's")
        return storage_type, key, count


def view_storage(storage: Any, offset: Any, size: Any, stride: Any) -> StoredTensor:
    """A tensor in a storage, all in numbers.

    Raises:
        Refusal: it reaches beyond the storage, or is larger than it.
    """
    if not isinstance(storage, Storage):
        raise Refusal(f"a tensor of {shown(storage)}")
    counted = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= MAX_DIMENSIONS
    if not counted or not all(_is_count(number) for number in (offset, *size, *stride)):
        raise Refusal("a tensor whose size, stride or offset are not counts")
    if math.prod(size) > storage.count or (math.prod(size) and offset + _reach(size, stride) > storage.count):
        raise Refusal("a tensor that reaches beyond its numbers")
    return StoredTensor(storage, offset, size, stride)


def _reach(size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """How many numbers lie between a tensor's first and last, both counted."""
    return 1 + sum((length - 1) * step for length, step in zip(size, stride, strict=True))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**40
