"""Checkpoints that try to run something: nothing runs, and the message names what they asked for.

Every attack would leave a file, the canary; that a plain `pickle.load` lets it do so is tested first.
"""

from __future__ import annotations

import copyreg
import functools
import io
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers.stylegan2_pickles import TINY, EasyDict, Persistent, dumped, generator, snapshot, write_pickle
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.checkpoints import nvlabs_pickle
from unmask.generators.stylegan2.checkpoints.read import read_checkpoint
from unmask.tensorfiles.budget import Budget

CANARY = "canary"


class Call:
    """Pickled as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.parts


def attack() -> Call:
    return Call(os.system, f"touch {CANARY}")


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that an attack would make; whatever a test does, it is not there afterwards."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / CANARY
    yield path
    assert not path.exists()


def refused(content: bytes, message: str) -> None:
    Path("net.pkl").write_bytes(content)
    with pytest.raises(UnmaskError, match=rf"net\.pkl: .*{message}"):
        read_checkpoint(Path("net.pkl"))


def test_the_attack_works_on_pickle_itself(canary: Path) -> None:
    pickle.loads(pickle.dumps(attack()))
    assert canary.exists()
    canary.unlink()


def within_a_network(evil: Any) -> Any:
    made = generator()
    made.state["_modules"]["synthesis"].state["_modules"]["b8"].state["padding"] = evil
    return snapshot(made)


def among_options(evil: Any) -> Any:
    made = generator()
    made.state["_init_kwargs"]["mapping_kwargs"]["num_layers"] = evil
    return snapshot(made)


def as_a_parameter(evil: Any) -> Any:
    made = generator()
    made.state["_modules"]["mapping"].state["_parameters"]["extra"] = evil
    return snapshot(made)


PLACES: dict[str, Callable[[Any], Any]] = {
    "alone": lambda evil: evil,
    "in place of a network": snapshot,
    "in the other network": lambda evil: snapshot(generator(), D=evil),
    "in what nobody reads": lambda evil: snapshot(generator(), augment_pipe=evil),
    "among the options of the data": lambda evil: snapshot(generator(), training_set_kwargs=EasyDict(path=evil)),
    "in a list": lambda evil: snapshot(generator(), more=[[(evil,)]]),
    "in an attribute": within_a_network,
    "among the constructor's options": among_options,
    "as a parameter": as_a_parameter,
    "as a network's meta data": lambda evil: snapshot(Call(Persistent("Generator", {}).__reduce__()[0], evil)),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("place", PLACES)
def test_os_system_everywhere(place: str, protocol: int) -> None:
    refused(dumped(PLACES[place](attack()), protocol), r"(posix|nt)\.system, which no StyleGAN2 needs\. Nothing in it")


FUNCTIONS: dict[str, tuple[Any, str]] = {
    "eval": (Call(eval, f"open('{CANARY}', 'w')"), r"(builtins|__builtin__)\.eval"),
    "exec": (Call(exec, f"open('{CANARY}', 'w')"), r"builtins\.exec"),
    "getattr": (Call(getattr, "text", "upper"), r"builtins\.getattr"),
    "partial": (functools.partial(os.system, f"touch {CANARY}"), r"functools\.partial"),
    "torch.load": (Call(torch.load, "net.pkl"), r"torch\.serialization\.load"),
    "open": (Call(open, CANARY, "w"), r"(_?io)\.open"),
    "import": (Call(__import__, "antigravity"), r"builtins\.__import__"),
    "print": (Call(print, "text"), r"builtins\.print"),
    "a class of torch": (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
    "a number of another kind": (1 + 2j, r"builtins\.complex"),
    "a path": (Path("net.pkl"), r"pathlib\S*\.PosixPath"),
    "an array of objects": (np.array([attack()], dtype=object), "numpy values of type 'O8'"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_other_function(name: str) -> None:
    evil, message = FUNCTIONS[name]
    refused(dumped(snapshot(generator(), more=evil), 4), message)


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "never_imported.py").write_text(f"open('{CANARY}', 'w')\n")
    refused(b"\x80\x03cnever_imported\nfunction\n.", r"never_imported\.function")
    refused(b"\x80\x03cnever_imported\nfunction\n)R.", r"never_imported\.function")
    assert "never_imported" not in sys.modules


def test_embedded_source_is_not_looked_at(tmp_path: Path) -> None:
    made = generator()
    made.meta["module_src"] = f"open('{CANARY}', 'w')"
    assert read_checkpoint(write_pickle(tmp_path / "net.pkl", made)).settings == TINY


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    """STACK_GLOBAL."""
    return text(module) + text(name) + b"\x93"


RECONSTRUCT = named("torch_utils.persistence", "_reconstruct_persistent_obj")
TOUCH = text(f"touch {CANARY}")
RAW: dict[str, tuple[bytes, str]] = {
    "a dotted name": (named("torch", "storage._load_from_bytes"), r"torch\.storage\._load_from_bytes"),
    "a way through attributes": (named("numpy", "dtype.__class__.__base__"), r"numpy\.dtype\.__class__"),
    "a way to os": (named("dnnlib.util", "os.system") + TOUCH + b"\x85R", r"dnnlib\.util\.os\.system"),
    "a name in the module": (named("numpy dtype", ""), r"numpy dtype\."),
    "a control character": (named("os\x1b[2J", "system"), r"os\\x1b\[2J\.system"),
    "names that are no text": (b"K\x01K\x02\x93", "do not fit together"),
    "INST": (b"(" + TOUCH + b"ios\nsystem\n", "the pickle instruction INST"),
    "OBJ": (b"(" + named("numpy", "dtype") + b"o", "the pickle instruction OBJ"),
    "NEWOBJ_EX": (named("dnnlib.util", "EasyDict") + b")}\x92", "the pickle instruction NEWOBJ_EX"),
    "EXT1": (b"\x82\xf0", "the pickle instruction EXT1"),
    "EXT2": (b"\x83\xf0\xf0", "the pickle instruction EXT2"),
    "EXT4": (b"\x84\xf0\xf0\x00\x00", "the pickle instruction EXT4"),
    "PERSID": (b"P0\n", "the pickle instruction PERSID"),
    "BINPERSID": (TOUCH + b"Q", "a persistent id"),
    "NEXT_BUFFER": (b"\x97", "the pickle instruction NEXT_BUFFER"),
    "a call of text": (text("os.system") + TOUCH + b"\x85R", "a call of 'os.system'"),
    "a call of an argument": (named("numpy", "ndarray") + b")R", r"a call of numpy\.ndarray"),
    "a call of a dictionary": (b"})R", "a call of a dict"),
    "NEWOBJ of a network": (RECONSTRUCT + b")\x81", "without a state"),
    "state of a name": (named("dnnlib.util", "EasyDict") + b"}b", r"setting the state of dnnlib\.util\.EasyDict"),
    "slots of a name": (
        named("dnnlib.util", "EasyDict") + b"N}" + text("__call__") + TOUCH + b"s\x86b",
        r"setting the state of dnnlib\.util\.EasyDict",
    ),
    "state of text": (text("text") + b"}b", "setting the state of 'text'"),
    "state of a list": (b"]}b", "setting the state of a list"),
    "filling text": (text("text") + b"K\x01a", "filling 'text' as if it were a list"),
    "filling a name": (named("numpy", "dtype") + text("x") + b"K\x01s", r"filling numpy\.dtype as if it were a dict"),
    "a tuple as a key": (b"})K\x01s", "a tuple as a key"),
    "another protocol": (b"\x80\x03N", "begins twice"),
    "nothing": (b"", "do not fit together"),
    "two values": (b"NN", "do not fit together"),
    "an empty stack": (b"R", "do not fit together"),
    "a value that was never kept": (b"h\x07", "do not fit together"),
    "unknown instruction": (b"\xff", "makes no sense"),
    "a code of numpy objects": (named("numpy", "dtype") + text("O8") + b"\x89\x88\x87R", "numpy values of type 'O8'"),
    "a structured code": (named("numpy", "dtype") + text("V8") + b"\x89\x88\x87R", "numpy values of type 'V8'"),
    "bytes of another codec": (named("_codecs", "encode") + text("x") + text("rot13") + b"\x86R", "stand for bytes"),
    "no text to encode": (named("_codecs", "encode") + b"K\x01" + text("latin1") + b"\x86R", "stand for bytes"),
    "a set of values": (named("builtins", "set") + b"])a\x85R", "a set of anything but names"),
    "arguments of a dictionary": (named("collections", "OrderedDict") + b"]\x85R", "a dict in an unknown form"),
}  # fmt: skip


@pytest.mark.parametrize("case", RAW)
def test_instructions_that_no_checkpoint_needs(case: str) -> None:
    content, message = RAW[case]
    refused(b"\x80\x04" + content + b".", message)


def test_registered_extensions_are_not_used() -> None:
    """Python's own machine takes them without asking `find_class`."""
    copyreg.add_extension("os", "system", 240)
    try:
        refused(b"\x80\x04\x82\xf0" + TOUCH + b"\x85R.", "the pickle instruction EXT1")
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_a_persistent_id() -> None:
    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return attack() if isinstance(value, torch.Tensor) else None

    refused(dumped(snapshot(generator()), 4, Pickler), r"(posix|nt)\.system")
    Pickler.persistent_id = lambda self, value: "id" if isinstance(value, torch.Tensor) else None  # type: ignore[method-assign]
    refused(dumped(snapshot(generator()), 4, Pickler), "a persistent id")


def number(dtype: np.dtype[Any], data: bytes) -> Call:
    return Call(np.float64(1).__reduce__()[0], dtype, data)


@pytest.mark.parametrize(
    ("evil", "message"),
    [
        (number(np.dtype("f8"), b"\0" * 7), "a numpy number of 7 bytes as f8"),
        (number(np.dtype("f8"), b""), "a numpy number of 0 bytes"),
        (number(np.dtype(object), b"\0" * 8), "numpy values of type 'O8'"),
        (number(np.dtype([("a", "f8")]), b"\0" * 8), "numpy values of type 'V8'"),
        (number(np.dtype("M8[s]"), b"\0" * 8), "numpy values of type 'M8'"),
        (Call(np.float64(1).__reduce__()[0], "f8", b"\0" * 8), "a numpy value that is not a plain number"),
    ],
)
def test_numbers_that_are_none(evil: Call, message: str) -> None:
    refused(dumped(snapshot(generator(), more=evil)), message)


def blob(*pickles: bytes, rest: bytes = b"") -> Call:
    return Call(torch.storage._load_from_bytes, b"".join(pickles) + rest)


def storage_blob(count: int, *, data: bytes | None = None, told: int | None = None, **changes: Any) -> bytes:
    """What torch makes of `count` float32, with changes."""
    parts = {"magic": 0x1950A86A20F9469CFC6C, "version": 1001, "machine": {"little_endian": True}, "keys": ["0"]}
    parts |= changes

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            described = ("storage", torch.FloatStorage, "0", "cpu", count if told is None else told, None)
            return changes.get("id", described) if value is Ellipsis else None

    stream = io.BytesIO()
    for value in (parts["magic"], parts["version"], parts["machine"], changes.get("object", ...), parts["keys"]):
        Pickler(stream, 2).dump(value)
    stream.write(struct.pack("<q", count))
    stream.write(bytes(4 * count) if data is None else data)
    return stream.getvalue()


def tensor(content: bytes, offset: Any = 0, size: Any = (2,), stride: Any = (1,)) -> Call:
    storage = Call(torch.storage._load_from_bytes, content)
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})


def test_a_storage_that_is_fine() -> None:
    refused(dumped({"G_ema": tensor(storage_blob(2))}), "holds no G_ema")


STORAGES: dict[str, tuple[bytes, str]] = {
    "an attack in place of numbers": (storage_blob(2, object=attack()), r"(posix|nt)\.system"),
    "an attack among the keys": (storage_blob(2, keys=[attack()]), r"(posix|nt)\.system"),
    "an attack for a magic number": (storage_blob(2, magic=attack()), r"(posix|nt)\.system"),
    "an attack among the facts": (storage_blob(2, machine={"little_endian": attack()}), r"(posix|nt)\.system"),
    "an attack in the id": (storage_blob(2, id=("storage", attack(), "0", "cpu", 2, None)), r"(posix|nt)\.system"),
    "another id": (storage_blob(2, id=("module", torch.FloatStorage, "0", "cpu", 2, None)), "not a storage's"),
    "a view": (storage_blob(2, id=("storage", torch.FloatStorage, "0", "cpu", 2, ("1", 0, 2))), "not a storage's"),
    "a negative count": (storage_blob(2, told=-2), "not a storage's"),
    "a plain object": (storage_blob(2, object=[1]), "a list in place of a tensor's numbers"),
    "a network": (storage_blob(2, object=Persistent), r"stylegan2_pickles\.Persistent"),
    "another magic number": (storage_blob(2, magic=1), "in no format of torch's"),
    "another version": (storage_blob(2, version=1002), "in no format of torch's"),
    "another byte order": (storage_blob(2, machine={"little_endian": False}), "big-endian"),
    "too few numbers": (storage_blob(2, data=bytes(7)), "should have 2 numbers"),
    "more numbers": (storage_blob(2, data=bytes(9)), "should have 2 numbers"),
    "fewer than told": (storage_blob(2, told=2**30), "should have 1073741824 numbers"),
    "other keys": (storage_blob(2, keys=["1"]), "not listed"),
    "a zip file": (b"PK\x03\x04" + bytes(100), "breaks off"),
    "nothing": (b"", "breaks off"),
}  # fmt: skip


@pytest.mark.parametrize("case", STORAGES)
def test_storages(case: str) -> None:
    content, message = STORAGES[case]
    refused(dumped({"G_ema": tensor(content)}, 3), message)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"size": (3,)}, "reaches beyond"),
        ({"offset": 1}, "reaches beyond"),
        ({"offset": -1}, "not counts"),
        ({"size": (-1,)}, "not counts"),
        ({"stride": (-1,)}, "not counts"),
        ({"stride": (2,)}, "reaches beyond"),
        ({"size": (2**62,), "stride": (0,)}, "not counts"),
        ({"size": (2**39,), "stride": (0,)}, "reaches beyond"),
        ({"size": (2**39,) * 8, "stride": (0,) * 8}, "reaches beyond"),
        ({"size": (1,) * 9, "stride": (1,) * 9}, "not counts"),
        ({"size": (2, 2), "stride": (1,)}, "not counts"),
        ({"size": [2]}, "not counts"),
        ({"size": (True,)}, "not counts"),
        ({"offset": 2**39}, "reaches beyond"),
    ],
)
def test_geometry_of_tensors(geometry: dict[str, Any], message: str) -> None:
    refused(dumped({"G_ema": tensor(storage_blob(2), **geometry)}, 3), message)


def test_tensors_of_something_else() -> None:
    rebuild = torch._utils._rebuild_tensor_v2
    refused(dumped({"G_ema": Call(rebuild, [1.0], 0, (1,), (1,), False, {})}), "a tensor of a list")
    refused(dumped({"G_ema": Call(rebuild, [1.0])}), "a tensor in an unknown form")
    parameter = Call(torch._utils._rebuild_parameter, [1.0], False, {})
    refused(dumped({"G_ema": parameter}), "a parameter that is not a tensor")
    refused(dumped({"G_ema": Call(torch.storage._load_from_bytes, "text")}), "are not bytes")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(b"\x80\x04" + b"(" * 10**6 + b".", "nested more than 200 deep")
    refused(b"\x80\x04" + b"]" * 10**6 + b".", "too many values at once")
    refused(b"\x80\x04]" + b"q\xff" + b"r\xff\xff\xff\x7f" + b"r\xff\xff\xff\xff" + b".", "holds no G_ema")
    refused(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"x.", "breaks off")
    refused(b"\x80\x04B\xff\xff\xff\x7fx.", "breaks off")
    monkeypatch.setattr(nvlabs_pickle, "Budget", lambda bytes: Budget(50, bytes))
    refused(b"\x80\x04" + b"N0" * 50 + b"N.", "more instructions than any network takes")


@pytest.mark.slow
def test_tuples_nested_without_end_do_no_harm() -> None:
    """Nothing walks through them: not as a value, in a message, or as a key."""
    nested = b")" + b"\x85" * 200_000
    refused(b"\x80\x04" + nested + b".", "holds no G_ema, but a tuple")
    refused(b"\x80\x04}" + nested + b"K\x01s.", "a tuple as a key")
    refused(b"\x80\x04" + nested + b")R.", "a call of a tuple")


def dictionary(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def network(class_name: str, state: bytes) -> bytes:
    """A persistent object, as instructions."""
    meta = dictionary(type=text("class"), version=b"K\x06", class_name=text(class_name), state=state)
    return RECONSTRUCT + meta + b"\x85R"


def test_a_network_within_itself() -> None:
    kept, fetched = (b"q\x00", b"q\x01"), (b"h\x00", b"h\x01")
    synthesis = b"}" + kept[0] + network("SynthesisNetwork", fetched[0]) + kept[1] + b"0"
    synthesis += text("_modules") + dictionary(b4=fetched[1]) + b"s0"
    sizes = dict.fromkeys(("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"), b"K\x08")
    state = dictionary(_modules=dictionary(synthesis=fetched[1]), _init_kwargs=dictionary(**sizes))
    refused(b"\x80\x04" + synthesis + dictionary(G_ema=network("Generator", state)) + b".", "networks nested more than")


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    made, endless = generator(), []
    endless.append(endless)
    made.state["padding"] = endless
    assert read_checkpoint(write_pickle(tmp_path / "net.pkl", made)).settings == TINY
