"""Reads pickles on a machine that cannot call anything.

A pickle is a program for a small stack machine, and Python's own machine looks up and calls whatever the program names.
This one knows the few instructions that build plain values, and a table of names that stand for functions of ours; any
other instruction or name ends it. Nothing is imported, no attribute is looked up or set, nothing of the file is called.

Instructions are cut apart by the standard library's `pickletools`, and mean what `pickle` and PEP 3154 and 574 say.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast, final

from unmask.tensorfiles.budget import Budget, Damaged, Refusal

PROTOCOLS = range(2, 6)
MAX_NESTING = 200
"""Containers within containers; the networks take some 30."""
MAX_STACK = 200_000
"""Values that wait to be put into a container; Python's pickler puts them there by the thousand."""

LARGEST_KEY = 2**60
"""Of integers as keys: larger ones can be chosen to have the same hash, so that each is compared with all others."""

Key = str | int | None


class Stream(Protocol):
    """What a pickle is read from; `read` and `readline` must not reserve more memory than there is to read."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self) -> bytes: ...
    def tell(self) -> int: ...


@final
@dataclass(frozen=True)
class Name:
    """A function or class that the pickle names; a word and nothing more."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@final
@dataclass(frozen=True)
class Vocabulary:
    """What a kind of pickle may ask for.

    Attributes:
        calls: by name, what a call of it (REDUCE, NEWOBJ) with these arguments stands for.
        arguments: names that may be handed on but not called.
        build: what to do with the state (BUILD) of a value; raises `Refusal` for values that have none.
        persistent: what a persistent id stands for; None: there may be none.
    """

    calls: Mapping[Name, Callable[[tuple[Any, ...]], Any]]
    arguments: frozenset[Name] = frozenset()
    build: Callable[[Any, Any], None] | None = None
    persistent: Callable[[Any], Any] | None = None

    def __contains__(self, name: Name) -> bool:
        return name in self.calls or name in self.arguments


def shown(value: Any) -> str:
    """A value for a message: short, and without walking through it, for it may be nested without end."""
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a huge number"
    if isinstance(value, str):
        return ascii(value if len(value) <= 60 else f"{value[:57]}...")
    if isinstance(value, Name):
        return str(value)
    return f"a {type(value).__name__}"


def load(stream: Stream, vocabulary: Vocabulary, budget: Budget) -> Any:
    """The value that the pickle from the stream's place on describes; the stream is left behind it.

    bytes become bytearrays, so that tensors can share their memory.

    Raises:
        Refusal: it uses an instruction or a name that is not on the list, or goes beyond a limit.
        Damaged: it breaks off, or its instructions make no sense.
    """
    machine = _Machine(vocabulary)
    try:
        # It reads, and asks where it is; a whole file is not needed.
        for count, (instruction, argument, _) in enumerate(pickletools.genops(cast("IO[bytes]", stream))):
            budget.spend_instruction()
            if isinstance(argument, str | bytes):
                budget.spend_bytes(len(argument))
            machine.step(instruction.name, argument, first=count == 0)
    except (ValueError, OverflowError, MemoryError, UnicodeError) as error:
        ended = stream.read(1) == b""
        raise Damaged("it breaks off in the middle" if ended else "it makes no sense as a pickle") from error
    except (IndexError, KeyError) as error:
        raise Damaged("its instructions do not fit together") from error
    return machine.result()


class _Machine:
    """The stack, the values put aside (`memo`), and where containers that are being filled begin (`marks`)."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, instruction: str, argument: Any, *, first: bool) -> None:
        """Carry out one instruction."""
        if first != (instruction == "PROTO"):
            raise Damaged("it does not begin like a pickle" if first else "it begins twice")
        if instruction in _LITERALS:
            self._push(argument)
        elif instruction in _CONSTANTS:
            self._push(_CONSTANTS[instruction]())
        elif instruction in _STEPS:
            _STEPS[instruction](self, argument)
        else:
            raise Refusal(f"the pickle instruction {instruction}")

    def result(self) -> Any:
        """What the program left."""
        if len(self.stack) != 1 or self.marks:
            raise Damaged("its instructions do not fit together")
        return self.stack[0]

    def _push(self, value: Any) -> None:
        if len(self.stack) >= MAX_STACK:
            raise Refusal("too many values at once")
        self.stack.append(value)

    def _pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise Damaged("its instructions do not fit together")
        return self.stack.pop()

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def protocol(self, number: int) -> None:
        if number not in PROTOCOLS:
            raise Refusal(f"pickle protocol {number} (2 to 5 are read)")

    def nothing(self, _: Any) -> None:
        """A frame's length, or the end."""

    def mark(self, _: None) -> None:
        if len(self.marks) >= MAX_NESTING:
            raise Refusal(f"containers nested more than {MAX_NESTING} deep")
        self.marks.append(len(self.stack))

    def push_bytes(self, value: bytes) -> None:
        self._push(bytearray(value))

    def put_aside(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def fetch(self, index: int) -> None:
        self._push(self.memo[index])

    def drop(self, _: None) -> None:
        self._pop()

    def drop_since_mark(self, _: None) -> None:
        self._since_mark()

    def tuple_since_mark(self, _: None) -> None:
        self._push(tuple(self._since_mark()))

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def append(self, _: None) -> None:
        value = self._pop()
        self._top(list).append(value)

    def append_since_mark(self, _: None) -> None:
        values = self._since_mark()
        self._top(list).extend(values)

    def add_since_mark(self, _: None) -> None:
        values = self._since_mark()
        self._top(set).update(as_key(value) for value in values)

    def set_item(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._top(dict)[as_key(key)] = value

    def set_since_mark(self, _: None) -> None:
        values = self._since_mark()
        if len(values) % 2:
            raise Damaged("its instructions do not fit together")
        self._top(dict).update((as_key(key), value) for key, value in zip(values[::2], values[1::2], strict=True))

    def _top(self, kind: type) -> Any:
        """The container to be filled; exactly a list, dict or set, whose methods are Python's own."""
        if type(self.stack[-1]) is not kind:
            raise Refusal(f"filling {shown(self.stack[-1])} as if it were a {kind.__name__}")
        return self.stack[-1]

    def name_in_line(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def name_on_stack(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Damaged("its instructions do not fit together")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        # The whole name is looked up in a table, so dots in it have no meaning.
        found = Name(module, name)
        if found not in self.vocabulary:
            raise Refusal(ascii(str(found)[:100])[1:-1])
        self._push(found)

    def call(self, _: None) -> None:
        arguments, name = self._pop(), self._pop()
        if not isinstance(arguments, tuple):
            raise Damaged("its instructions do not fit together")
        if not isinstance(name, Name) or name not in self.vocabulary.calls:
            raise Refusal(f"a call of {shown(name)}")
        self._push(self.vocabulary.calls[name](arguments))

    def build(self, _: None) -> None:
        state = self._pop()
        if self.vocabulary.build is None:
            raise Refusal(f"setting the state of {shown(self.stack[-1])}")
        self.vocabulary.build(self.stack[-1], state)

    def persistent(self, _: None) -> None:
        if self.vocabulary.persistent is None:
            raise Refusal("a persistent id")
        self._push(self.vocabulary.persistent(self._pop()))


def as_key(value: Any) -> Key:
    """Only what is hashed without walking through it may be a key."""
    if value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < LARGEST_KEY):
        return value
    raise Refusal(f"{shown(value)} as a key")


_LITERALS = frozenset(
    ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
) | {"BINSTRING", "SHORT_BINSTRING"}  # text of Python 2
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    "FRAME": _Machine.nothing,
    "STOP": _Machine.nothing,
    "MARK": _Machine.mark,
    "BINBYTES": _Machine.push_bytes,
    "SHORT_BINBYTES": _Machine.push_bytes,
    "BINBYTES8": _Machine.push_bytes,
    "BYTEARRAY8": _Machine.push_bytes,
    "BINPUT": _Machine.put_aside,
    "LONG_BINPUT": _Machine.put_aside,
    "MEMOIZE": _Machine.put_aside,
    "BINGET": _Machine.fetch,
    "LONG_BINGET": _Machine.fetch,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_since_mark,
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_since_mark,
    "ADDITEMS": _Machine.add_since_mark,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_since_mark,
    "GLOBAL": _Machine.name_in_line,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
