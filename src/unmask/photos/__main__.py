"""``python -m unmask.photos FILE|FOLDER... --out DIR``: photos in, photos out, with a report.

Exit codes: 0 done; 1 some photos could not be done, which the report names; 2 anything else the user can mend;
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import get_console

from unmask.errors import UnmaskError
from unmask.files import stamp
from unmask.mistakes import explain
from unmask.photos.report import GUESS, NAME, PhotoEntry, Report, photo_entry
from unmask.photos.results import UnmaskedPhoto
from unmask.photos.settings import METHODS
from unmask.photos.sources import PhotoFile, find_photos, find_references
from unmask.photos.unmasker import Progress, Unmasker
from unmask.terminal import counting_bar, steady_streams


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    photos: tuple[str, ...]
    out: Path
    method: str
    answers: int
    faces: tuple[int, ...] | None
    occlusion: Path | None
    references: Path | None
    format: str
    quality: int
    device: str
    seed: int
    overrides: tuple[str, ...]
    progress: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        return work(options)
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. What is finished is kept in {options.out}; the same command goes on.\n")
        return 130
    except Exception as error:
        message = explain(error, options.out)
        if message is None:
            raise
        sys.stderr.write(f"{message}\n")
        return 2


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The command line as a record; exits as argparse does on mistakes."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.photos",
        description="Generate what face masks hide in photos. Every pixel that is not generated stays as it is.",
        epilog=GUESS,
    )
    parser.add_argument("photos", nargs="+", metavar="FILE|FOLDER", help="photos, and folders of photos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results and report.json")
    parser.add_argument("--method", choices=METHODS, default="feed_forward", help="default: feed_forward, the quickest")
    parser.add_argument("--answers", type=int, default=1, metavar="K", help="different answers to each face (1)")
    parser.add_argument("--faces", type=_numbers, metavar="0,2", help="only these faces, counted from the left")
    parser.add_argument("--occlusion", type=Path, metavar="PNG", help="where face masks are, painted white; one photo")
    parser.add_argument(
        "--references", type=Path, metavar="FILE|FOLDER", help="other photos of the person, of the one face unmasked"
    )
    parser.add_argument(
        "--format", choices=("png", "jpg", "webp", "tiff"), default="png", help="of the results (png, without loss)"
    )
    parser.add_argument("--quality", type=int, default=95, metavar="Q", help="of jpg and webp, 1 to 100 (95)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--seed", type=int, default=0, help="every random choice derives from it (0)")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="an option of a run, such as method.w_steps=30; may be given several times",
    )  # fmt: skip
    parser.add_argument("--no-progress", action="store_false", dest="progress", help="show no progress bar")
    given = parser.parse_args(arguments)
    if not 1 <= given.quality <= 100:
        parser.error("--quality: from 1 to 100")
    return Options(**{**vars(given), "photos": tuple(given.photos), "overrides": tuple(given.overrides)})


def work(options: Options) -> int:
    """All photos that are not done yet; returns the exit code.

    Raises:
        UnmaskError: something the user can mend that concerns all of them.
    """
    photos = find_photos(options.photos, options.out)
    if options.occlusion is not None and len(photos) > 1:
        raise UnmaskError(f"--occlusion belongs to one photo, and {len(photos)} are named.")
    references = () if options.references is None else find_references(options.references)
    unmasker = Unmasker(options.method, options.device, options.overrides, seed=options.seed)
    settings: dict[str, Any] = {
        "method": options.method,
        "answers": options.answers,
        "faces": None if options.faces is None else list(options.faces),
        "occlusion": None if options.occlusion is None else str(options.occlusion),
        "overrides": list(options.overrides),
        "seed": options.seed,
        "format": options.format,
        "quality": options.quality if options.format in ("jpg", "webp") else None,
    }
    if references:  # photos that were done without any stay done
        settings["references"] = [list(stamp(path) or ()) for path in references]
    report = Report(options.out, settings)
    to_do = [photo for photo in photos if not report.is_done(photo.path)]
    console = get_console()
    if len(to_do) < len(photos):
        console.print(f"{len(photos) - len(to_do)} of {len(photos)} photos are done already.", highlight=False)

    failed = 0
    with counting_bar(shown=options.progress) as bar:
        task = bar.add_task("unmasking", total=len(to_do), note="")
        for done, photo in enumerate(to_do):

            def show(progress: Progress, done: int = done) -> None:
                note = f"face {progress.face} of {progress.faces}" if progress.faces > 1 else ""
                bar.update(task, completed=done + progress.fraction, note=note)

            entry = _do(photo, unmasker, options, references, show)
            report.add(entry)
            failed += entry.error is not None
            bar.update(task, completed=done + 1, note="")
            for line in _told(entry, options.out):
                bar.console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
    console.print(f"{options.out / NAME}: box, frame, occlusion and warnings of every face.", soft_wrap=True)
    console.print(GUESS, soft_wrap=True)
    return 1 if failed else 0


def _do(
    photo: PhotoFile,
    unmasker: Unmasker,
    options: Options,
    references: tuple[Path, ...],
    show: Callable[[Progress], None],
) -> PhotoEntry:
    """One photo, from the file to the files."""
    started = time.perf_counter()
    try:
        made = unmasker(
            photo.path,
            answers=options.answers,
            faces=options.faces,
            occlusion=options.occlusion,
            references=references,
            on_progress=show,
        )
        results = _write(made, photo, options) if made.filled.any() else ()
    except UnmaskError as error:
        return PhotoEntry(str(photo.path), stamp(photo.path), error=str(error))
    except MemoryError:
        return PhotoEntry(str(photo.path), stamp(photo.path), error=f"{photo.path}: does not fit into the memory.")
    return photo_entry(photo.path, results, made, time.perf_counter() - started)


def _write(made: UnmaskedPhoto, photo: PhotoFile, options: Options) -> tuple[str, ...]:
    """The answers' files, below the output folder."""
    suffix = f".{options.format}"
    names = []
    for answer in range(len(made.answers)):
        name = f"{photo.name}{suffix}" if answer == 0 else f"{photo.name}_answer{answer + 1}{suffix}"
        made.save(options.out / name, answer, quality=options.quality)
        names.append(name)
    return tuple(names)


def _told(entry: PhotoEntry, out: Path) -> list[str]:
    """Lines for the terminal about one photo."""
    if entry.error is not None:
        return [f"not done: {entry.error}"]
    what = ", ".join(str(out / name) for name in entry.results) or "nothing to unmask"
    lines = [f"{entry.file}: {what}", *(f"  {warning}" for warning in entry.warnings)]
    for face in entry.faces:
        if face["skipped"] is not None:
            lines.append(f"  face {face['index']} is left alone: {face['skipped']}")
        lines += [f"  look at face {face['index']}: {warning}" for warning in face["warnings"]]
    return lines


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: numbers, divided by commas") from None


if __name__ == "__main__":
    sys.exit(main())
