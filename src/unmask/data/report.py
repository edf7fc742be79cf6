"""What became of the pictures that were found on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.faces import Doubt, Failure

NAMED = 5
"""How many ids or files of a kind the summary names; the rest is counted."""


class Report(ABC):
    """What a run log says about where pictures come from."""

    @abstractmethod
    def summary(self) -> str:
        """A few lines for the run log."""

    @abstractmethod
    def with_undecodable(self, failures: tuple[Failure, ...]) -> Report:
        """The same report after the pictures were decoded."""

    @abstractmethod
    def with_doubts(self, doubts: tuple[Doubt, ...]) -> Report:
        """The same report after the occlusions were found."""


@dataclass(frozen=True)
class PairingReport(Report):
    """The outcome of pairing the files by id, and (once they were decoded) of reading the pictures.

    Attributes:
        masked_dir, clean_dir, occlusion_dir: the folders looked into, or the manifest; None where there is none.
        found: how many ids could be used, before `data.ids`, `data.split` and `data.limit`.
        paired: the ids that are used, ascending.
        missing_clean: masked pictures without a clean one (not used, unless there is no clean folder at all).
        missing_masked: clean pictures without a masked one. Usual: MaskedFace-Net does not cover all of FFHQ.
        missing_occlusion: pictures without a painted occlusion, where one is needed.
        duplicates: files whose id was already taken by another file; that other one is used.
        unreadable: folders that could not be looked into, and why.
        others: for each folder, its files that are no pictures, counted by suffix.
        automatic: the ids of these whose occlusion is found in the picture itself, by the network of occlusion=auto.
        undecodable: pictures that were skipped while decoding, and why.
        doubts: pictures whose occlusion may be wrong, or that were changed while decoding, and why.
    """

    masked_dir: Path
    clean_dir: Path | None
    occlusion_dir: Path | None
    found: int
    paired: tuple[str, ...]
    missing_clean: tuple[str, ...] = ()
    missing_masked: tuple[str, ...] = ()
    missing_occlusion: tuple[str, ...] = ()
    duplicates: tuple[Path, ...] = ()
    unreadable: tuple[Failure, ...] = ()
    others: tuple[str, ...] = ()
    automatic: tuple[str, ...] = ()
    undecodable: tuple[Failure, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def with_undecodable(self, failures: tuple[Failure, ...]) -> PairingReport:
        return replace(self, undecodable=failures)

    def with_doubts(self, doubts: tuple[Doubt, ...]) -> PairingReport:
        return replace(self, doubts=doubts)

    def summary(self) -> str:
        clean = "no clean pictures" if self.clean_dir is None else f"clean: {self.clean_dir}"
        painted = "" if self.occlusion_dir is None else f", occlusion: {self.occlusion_dir}"
        lines = [
            f"{len(self.paired)} pictures used of {self.found} usable (masked: {self.masked_dir}, {clean}{painted})"
        ]
        for what, names in (
            ("masked without clean", self.missing_clean),
            ("clean without masked", self.missing_masked),
            ("without occlusion", self.missing_occlusion),
            ("further files of an id, ignored", tuple(str(path) for path in self.duplicates)),
        ):
            if names:
                lines.append(f"{len(names)} {what}: {_named(names)}")
        lines += _besides(self.unreadable, self.others)
        if self.automatic:
            lines.append(f"{len(self.automatic)} occlusions still to be found by the network (occlusion=auto)")
        return "\n".join([*lines, *_skipped(self.undecodable), *_doubtful(self.doubts)])


@dataclass(frozen=True)
class DrawingReport(Report):
    """The outcome of looking for clean faces to draw face masks on.

    Attributes:
        folder: where they were looked for.
        found: how many pictures there are, before the split, the ids that are evaluated and `training.limit`.
        used: the ids that are used, ascending.
        implausible: pictures without the landmarks of an aligned face, and why; not used.
        duplicates: files whose id was already taken by another file; that other one is used.
        unreadable: folders that could not be looked into, and why.
        others: files that are no pictures, counted by suffix.
        undecodable: pictures that could not be read, and why.
    """

    folder: Path
    found: int
    used: tuple[str, ...]
    implausible: tuple[Failure, ...] = ()
    duplicates: tuple[Path, ...] = ()
    unreadable: tuple[Failure, ...] = ()
    others: tuple[str, ...] = ()
    undecodable: tuple[Failure, ...] = ()

    def with_undecodable(self, failures: tuple[Failure, ...]) -> DrawingReport:
        return replace(self, undecodable=failures)

    def with_doubts(self, doubts: tuple[Doubt, ...]) -> DrawingReport:
        assert not doubts, "what was drawn is known"
        return self

    def summary(self) -> str:
        lines = [f"Face masks are drawn on {len(self.used)} clean faces, of {self.found} pictures in {self.folder}"]
        for reason in sorted({failure.reason for failure in self.implausible}):
            ids = tuple(failure.id for failure in self.implausible if failure.reason == reason)
            lines.append(f"{len(ids)} left out, {reason}: {_named(ids)}")
        if self.duplicates:
            files = tuple(str(path) for path in self.duplicates)
            lines.append(f"{len(files)} further files of an id, ignored: {_named(files)}")
        lines += _besides(self.unreadable, self.others)
        return "\n".join([*lines, *_skipped(self.undecodable)])


def _named(names: tuple[str, ...]) -> str:
    """The first few names; the rest only as dots."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _besides(unreadable: tuple[Failure, ...], others: tuple[str, ...]) -> list[str]:
    """Lines about what else the folders hold."""
    lines = [f"{len(unreadable)} folders that cannot be opened:"] if unreadable else []
    lines += [f"  {failure.reason}" for failure in unreadable]
    return [*lines, *(f"not pictures, ignored: {one}" for one in others)]


def _skipped(failures: tuple[Failure, ...]) -> list[str]:
    """A line for each picture that could not be decoded, and a heading if there are any."""
    if not failures:
        return []
    return [f"{len(failures)} skipped while decoding:", *(f"  {failure.id}: {failure.reason}" for failure in failures)]


def _doubtful(doubts: tuple[Doubt, ...]) -> list[str]:
    """The same for each picture that somebody should look at."""
    if not doubts:
        return []
    return [f"{len(doubts)} to look at:", *(f"  {doubt.id}: {doubt.reason}" for doubt in doubts)]
