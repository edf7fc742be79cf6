"""FFHQ and MaskedFace-Net as people have them on disk, paired by id."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data.report import PairingReport
from unmask.data.scan import Scan, clean_id, find_files, kinds, masked_id, suffixed_id
from unmask.data.splits import select
from unmask.errors import UnmaskError
from unmask.occlusion.base import WAYS_OUT

CLEAN_NAMES = ("ffhq", "images1024x1024", "clean", "images256x256", "thumbnails128x128")
"""Folders below `data.root` tried for the clean pictures, in this order, whatever their case."""
MASKED_NAMES = ("cmfd", "masked", "imfd", "maskedface-net")
"""Folders below `data.root` tried for the masked pictures."""
OCCLUSION_NAMES = ("occlusion", "occlusions", "painted")
"""Folders below `data.root` tried for painted occlusions."""


@dataclass(frozen=True)
class Pair:
    """The files of one id; `clean` and `occlusion` are None where the run has none."""

    id: str
    masked: Path
    clean: Path | None
    occlusion: Path | None


def find_pairs(data: DataConfig, occlusion: OcclusionConfig) -> tuple[tuple[Pair, ...], PairingReport]:
    """Find the folders, pair their files by id, and choose by `data.ids`, `data.split` and `data.limit`.

    Without any clean folder the pairs have no clean picture (inference). With one, masked pictures that lack
    their clean one are left out and reported. Nothing is decoded here.

    Returns:
        The pairs in ascending order of id, and the report.
    Raises:
        UnmaskError: a folder is missing or empty, nothing can be paired, the choice is empty, or
            (`data.strict`) a masked picture lacks its partner.
    """
    root = _root(data)
    masked_dir = _masked_dir(root, data.masked_dir)
    clean_dir = _folder(root, data.clean_dir, "data.clean_dir", CLEAN_NAMES)
    painted_dir = None
    automatic = occlusion.source is OcclusionSource.auto
    if occlusion.source is OcclusionSource.painted:
        painted_dir = _folder(root, occlusion.painted_dir, "occlusion.painted_dir", OCCLUSION_NAMES)
        if painted_dir is None:
            raise UnmaskError(f"{root}: no folder {_any_of(OCCLUSION_NAMES)} for occlusion=painted. {WAYS_OUT}")
    elif automatic and occlusion.prefer_painted:
        painted_dir = _folder(root, occlusion.painted_dir, "occlusion.painted_dir", OCCLUSION_NAMES)
    elif occlusion.source is OcclusionSource.difference and clean_dir is None:
        raise UnmaskError(f"{root}: no folder {_any_of(CLEAN_NAMES)} for occlusion=difference. {WAYS_OUT}")

    # A folder named explicitly may hold pictures of any name; the root itself is searched for _Mask files
    # alone.
    in_masked = find_files(masked_dir, suffixed_id if masked_dir == root else masked_id)
    in_clean = Scan() if clean_dir is None else find_files(clean_dir, clean_id)
    in_painted = Scan() if painted_dir is None else find_files(painted_dir, masked_id)
    masked, clean, painted = in_masked.files, in_clean.files, in_painted.files
    scans = (in_masked, in_clean, in_painted)
    unreadable = tuple(failure for scan in scans for failure in scan.unreadable)
    if data.strict and unreadable:
        raise UnmaskError(f"{unreadable[0].reason} (data.strict=true; with false it would be left out)")
    if not masked:
        raise UnmaskError(
            f"{masked_dir}: no pictures named NNNNN_Mask.jpg, there or in folders below; "
            f"check data.root={data.root} and data.masked_dir. {in_masked.holds_instead()}"
        )
    if painted_dir is not None and not painted and not automatic:
        held = in_painted.holds_instead()
        raise UnmaskError(f"{painted_dir}: no painted occlusions (occlusion.painted_dir), there or below. {held}")

    missing_clean = tuple(sorted(masked.keys() - clean.keys())) if clean_dir is not None else ()
    paint_needed = painted_dir is not None and not automatic
    missing_occlusion = tuple(sorted(masked.keys() - painted.keys())) if paint_needed else ()
    missing_masked = tuple(sorted(clean.keys() - masked.keys()))
    usable = sorted(masked.keys() - set(missing_clean) - set(missing_occlusion))
    if not usable:
        raise UnmaskError(_nothing_paired(masked_dir, masked, clean_dir, clean, painted_dir, painted))
    if data.strict and (missing_clean or missing_occlusion):
        first = (missing_clean or missing_occlusion)[0]
        lacks = "clean picture (data.clean_dir)" if missing_clean else "painted occlusion (occlusion.painted_dir)"
        raise UnmaskError(
            f"{masked[first]}: has no {lacks}, and data.strict=true; "
            f"{len(missing_clean)} lack the clean picture, {len(missing_occlusion)} the occlusion."
        )
    ids = _choose(usable, data)
    others = tuple(
        f"{folder}: {kinds(scan.others)}"
        for folder, scan in zip((masked_dir, clean_dir, painted_dir), scans, strict=True)
        if scan.others
    )
    pairs = tuple(Pair(id, masked[id], clean.get(id), painted.get(id)) for id in ids)
    report = PairingReport(
        masked_dir=masked_dir,
        clean_dir=clean_dir,
        occlusion_dir=painted_dir,
        found=len(usable),
        paired=tuple(ids),
        missing_clean=missing_clean,
        missing_masked=missing_masked,
        missing_occlusion=missing_occlusion,
        duplicates=tuple(sorted(path for scan in scans for path in scan.duplicates)),
        unreadable=unreadable,
        others=others,
        automatic=tuple(id for id in ids if id not in painted) if automatic else (),
    )
    return pairs, report


def _root(data: DataConfig) -> Path:
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


def _choose(usable: list[str], data: DataConfig) -> list[str]:
    """Apply `data.ids`, `data.split` and `data.limit`, in this order."""
    chosen = usable
    if data.ids is not None:
        # a command line may read 00002 as the number 2
        named = (unicodedata.normalize("NFC", str(id)) for id in data.ids)
        wanted = {id if id in usable else id.zfill(5) for id in named}
        unknown = sorted(wanted - set(usable))
        if unknown:
            raise UnmaskError(f"data.ids: {', '.join(unknown)} not among the {len(usable)} paired pictures.")
        chosen = [id for id in usable if id in wanted]
    chosen = select(
        chosen,
        split=data.split,
        seed=data.split_seed,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
    )
    if data.limit is not None:
        chosen = chosen[: data.limit]
    if not chosen:
        raise UnmaskError(
            f"None of the {len(usable)} pairs is left: data.split={data.split.value} is empty with "
            f"data.val_fraction={data.val_fraction} data.test_fraction={data.test_fraction}."
        )
    return chosen


def _nothing_paired(
    masked_dir: Path,
    masked: dict[str, Path],
    clean_dir: Path | None,
    clean: dict[str, Path],
    painted_dir: Path | None,
    painted: dict[str, Path],
) -> str:
    """The message for folders that have no id in common."""
    parts = [f"{len(masked)} masked ({masked_dir}, first {min(masked)})"]
    if clean_dir is not None:
        first = f", first {min(clean)}" if clean else ""
        parts.append(f"{len(clean)} clean ({clean_dir}{first})")
    if painted_dir is not None:
        first = f", first {min(painted)}" if painted else ""
        parts.append(f"{len(painted)} painted occlusions ({painted_dir}{first})")
    return (
        f"No pictures could be paired: {'; '.join(parts)}. Files belong together by id, as in 00002.png, "
        "00002_Mask.jpg and occlusion 00002.png; check data.root, data.clean_dir, data.masked_dir and "
        "occlusion.painted_dir."
    )


def _any_of(names: tuple[str, ...]) -> str:
    return " or ".join(f"{name}/" for name in names)
