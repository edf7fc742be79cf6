"""Pictures of one face, paired by id."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from unmask.config import DataConfig, HoleConfig, OcclusionSource
from unmask.data.folders import list_folders
from unmask.data.listing import Listing
from unmask.data.manifest import list_manifest
from unmask.data.report import PairingReport
from unmask.data.splits import select
from unmask.errors import UnmaskError


@dataclass(frozen=True)
class Pair:
    """The files of one id; `clean` and `occlusion` are None where the run has none."""

    id: str
    masked: Path
    clean: Path | None
    occlusion: Path | None


def find_pairs(data: DataConfig, occlusion: HoleConfig) -> tuple[tuple[Pair, ...], PairingReport]:
    """List the files, in folders or by `data.manifest`, pair them by id, and choose by `data.ids`, `data.split` and
    `data.limit`.

    Where no clean pictures are known at all, the pairs have none (inference). Otherwise, masked pictures that lack
    their clean one are left out and reported. Nothing is decoded here.

    Returns:
        The pairs in ascending order of id, and the report.
    Raises:
        UnmaskError: a folder is missing or empty, the manifest is wrong, nothing can be paired, the choice is empty,
            or (`data.strict`) a masked picture lacks its partner.
    """
    listing = list_folders(data, occlusion) if data.manifest is None else list_manifest(data.manifest, data, occlusion)
    masked = listing.masked.files
    clean = {} if listing.clean is None else listing.clean.files
    painted = {} if listing.painted is None else listing.painted.files
    automatic = occlusion.source is OcclusionSource.auto

    missing_clean = () if listing.clean is None else tuple(sorted(masked.keys() - clean.keys()))
    paint_needed = listing.painted is not None and not automatic
    missing_occlusion = tuple(sorted(masked.keys() - painted.keys())) if paint_needed else ()
    missing_masked = tuple(sorted(clean.keys() - masked.keys()))
    usable = sorted(masked.keys() - set(missing_clean) - set(missing_occlusion))
    if not usable:
        raise UnmaskError(_nothing_paired(listing))
    if data.strict and (missing_clean or missing_occlusion):
        first = (missing_clean or missing_occlusion)[0]
        what, kind = ("clean picture", listing.clean) if missing_clean else ("painted occlusion", listing.painted)
        assert kind is not None, "nothing lacks what is known of none"
        raise UnmaskError(
            f"{masked[first]}: has no {what} ({kind.key}), and data.strict=true; "
            f"{len(missing_clean)} lack the clean picture, {len(missing_occlusion)} the occlusion."
        )
    ids = _choose(usable, data)
    pairs = tuple(Pair(id, masked[id], clean.get(id), painted.get(id)) for id in ids)
    report = PairingReport(
        masked_dir=listing.masked.place,
        clean_dir=None if listing.clean is None else listing.clean.place,
        occlusion_dir=None if listing.painted is None else listing.painted.place,
        found=len(usable),
        paired=tuple(ids),
        missing_clean=missing_clean,
        missing_masked=missing_masked,
        missing_occlusion=missing_occlusion,
        duplicates=listing.duplicates,
        unreadable=listing.unreadable,
        others=listing.others,
        automatic=tuple(id for id in ids if id not in painted) if automatic else (),
    )
    return pairs, report


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


def _nothing_paired(listing: Listing) -> str:
    """The message for pictures of which no two kinds have an id in common."""
    parts = []
    for what, kind in (
        ("masked", listing.masked),
        ("clean", listing.clean),
        ("painted occlusions", listing.painted),
    ):
        if kind is not None:
            first = f", first {min(kind.files)}" if kind.files else ""
            parts.append(f"{len(kind.files)} {what} ({kind.key}, {kind.place}{first})")
    return (
        f"No pictures could be paired: {'; '.join(parts)}. Files belong together by id: in folders as in 00002.png, "
        "00002_Mask.jpg and occlusion 00002.png, in a manifest by row."
    )
