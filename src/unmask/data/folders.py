"""FFHQ and MaskedFace-Net as people have them on disk: a folder for each kind of picture, files named by id."""

from __future__ import annotations

from pathlib import Path

from unmask.config import DataConfig, HoleConfig, OcclusionSource
from unmask.data.listing import Kind, Listing
from unmask.data.scan import Scan, clean_id, find_files, kinds, masked_id, suffixed_id
from unmask.errors import UnmaskError
from unmask.occlusion.base import WAYS_OUT

CLEAN_NAMES = ("ffhq", "images1024x1024", "clean", "images256x256", "thumbnails128x128")
"""Folders below `data.root` tried for the clean pictures, in this order, whatever their case."""
MASKED_NAMES = ("cmfd", "masked", "imfd", "maskedface-net")
"""Folders below `data.root` tried for the masked pictures."""
OCCLUSION_NAMES = ("occlusion", "occlusions", "painted")
"""Folders below `data.root` tried for painted occlusions."""


def list_folders(data: DataConfig, occlusion: HoleConfig) -> Listing:
    """The files below `data.root`, and in the folders named besides.

    Raises:
        UnmaskError: a folder is missing or empty, has nothing for the source of the occlusion, or (`data.strict`)
            cannot be opened.
    """
    root = _root(data)
    masked_dir = _masked_dir(root, data.masked_dir)
    clean_dir = _folder(root, data.clean_dir, "data.clean_dir", CLEAN_NAMES)
    painted_dir = None
    if occlusion.takes_painted:
        painted_dir = _folder(root, occlusion.painted_dir, "occlusion.painted_dir", OCCLUSION_NAMES)
    if occlusion.source is OcclusionSource.painted and painted_dir is None:
        raise UnmaskError(f"{root}: no folder {_any_of(OCCLUSION_NAMES)} for occlusion=painted. {WAYS_OUT}")
    if occlusion.source is OcclusionSource.difference and clean_dir is None:
        raise UnmaskError(f"{root}: no folder {_any_of(CLEAN_NAMES)} for occlusion=difference. {WAYS_OUT}")

    # A folder named explicitly may hold pictures of any name; the root itself is searched for _Mask files
    # alone.
    in_masked = find_files(masked_dir, suffixed_id if masked_dir == root else masked_id)
    in_clean = Scan() if clean_dir is None else find_files(clean_dir, clean_id)
    in_painted = Scan() if painted_dir is None else find_files(painted_dir, masked_id)
    scans = (in_masked, in_clean, in_painted)
    unreadable = tuple(failure for scan in scans for failure in scan.unreadable)
    if data.strict and unreadable:
        raise UnmaskError(f"{unreadable[0].reason} (data.strict=true; with false it would be left out)")
    if not in_masked.files:
        raise UnmaskError(
            f"{masked_dir}: no pictures named NNNNN_Mask.jpg, there or in folders below; "
            f"check data.root={data.root} and data.masked_dir. {in_masked.holds_instead()}"
        )
    if painted_dir is not None and not in_painted.files and occlusion.source is OcclusionSource.painted:
        held = in_painted.holds_instead()
        raise UnmaskError(f"{painted_dir}: no painted occlusions (occlusion.painted_dir), there or below. {held}")
    return Listing(
        Kind(in_masked.files, masked_dir, "data.masked_dir"),
        None if clean_dir is None else Kind(in_clean.files, clean_dir, "data.clean_dir"),
        None if painted_dir is None else Kind(in_painted.files, painted_dir, "occlusion.painted_dir"),
        tuple(sorted(path for scan in scans for path in scan.duplicates)),
        unreadable,
        tuple(
            f"{folder}: {kinds(scan.others)}"
            for folder, scan in zip((masked_dir, clean_dir, painted_dir), scans, strict=True)
            if scan.others
        ),
    )


def _root(data: DataConfig) -> Path:
    if data.root is None:
        raise UnmaskError("data.root=null: name the folder of the pictures, or a table of them (data.manifest).")
    root = Path(data.root).expanduser()
    if not root.is_dir():
        raise UnmaskError(
            f"data.root={data.root}: no such folder (from {Path.cwd()}). It should hold the clean and "
            "the masked pictures, as in ROOT/ffhq/00000/00002.png and ROOT/cmfd/00000/00002_Mask.jpg."
        )
    return root


def _folder(root: Path, given: str | None, key: str, names: tuple[str, ...]) -> Path | None:
    """The folder named by `key`, or the first of `names` found below `root`, or None."""
    if given is not None:
        folder = root / Path(given).expanduser()
        if not folder.is_dir():
            raise UnmaskError(
                f"{key}={given}: no such folder ({folder}). Give an absolute path, or one below data.root."
            )
        return folder
    try:
        below = {entry.name.lower(): entry for entry in sorted(root.iterdir(), reverse=True) if entry.is_dir()}
    except OSError as error:
        raise UnmaskError(f"{root}: cannot be opened ({error.strerror}).") from error
    return next((below[name] for name in names if name in below), None)


def _masked_dir(root: Path, given: str | None) -> Path:
    """The folder of masked pictures; `root` itself where it holds no folder of a known name."""
    return _folder(root, given, "data.masked_dir", MASKED_NAMES) or root


def _any_of(names: tuple[str, ...]) -> str:
    return " or ".join(f"{name}/" for name in names)
