"""safetensors, with its header looked at before anything is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.tensorfiles.budget import Damaged, Refusal
from unmask.tensorfiles.pickle_machine import shown

LENGTH_BYTES = 8
MAX_HEADER = 100_000_000
"""As the safetensors library."""
DTYPES = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"})
METADATA = "__metadata__"


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so is safetensors: the length of a header, and its brace."""
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    return 2 <= length <= MAX_HEADER and head[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, and its metadata.

    Raises:
        Refusal: it holds numbers of another kind than those of networks.
        Damaged: it is no safetensors, or breaks off.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    header = _header(path)
    for name, facts in header.items():
        dtype = facts.get("dtype") if isinstance(facts, dict) else None
        if name != METADATA and dtype not in DTYPES:
            raise Refusal(f"{shown(name)} of the type {shown(dtype)}")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, ValueError, RuntimeError, TypeError) as error:
        raise Damaged((str(error).splitlines() or [""])[0][:200]) from error


def parsed(text: str) -> Any:
    """JSON of a file, which may be nested without end or hold numbers without end.

    Raises:
        Damaged: it is no JSON that makes sense.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its description is not JSON ({type(error).__name__})") from error


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        head = file.read(LENGTH_BYTES + 1)
        if not is_safetensors(head):
            raise Damaged("it does not begin like safetensors")
        length = int.from_bytes(head[:LENGTH_BYTES], "little")
        file.seek(LENGTH_BYTES)
        try:
            text = file.read(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Damaged("its header is not text") from error
    header = parsed(text)
    if not isinstance(header, dict):
        raise Damaged("its header is not a table")
    return header
