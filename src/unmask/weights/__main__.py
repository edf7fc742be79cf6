"""``python -m unmask.weights``: lists the pretrained weights and fetches those that are missing."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unmask.errors import UnmaskError
from unmask.terminal import steady_streams
from unmask.weights.cache import cache_dir, ensure, is_whole, user_file
from unmask.weights.registry import ARTIFACTS, Artifact, find


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status (0 if everything asked for is there)."""
    steady_streams()
    parser = argparse.ArgumentParser(
        prog="python -m unmask.weights", description="List the pretrained weights, and fetch those that are missing."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these weights (default: all)")
    parser.add_argument("--list", action="store_true", help="list them and fetch nothing")
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="use this folder instead of $UNMASK_CACHE or the user's cache folder",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder: Path = options.cache_dir or cache_dir()
    console = Console()
    try:
        artifacts = tuple(find(name) for name in options.names) or ARTIFACTS
        if not options.list:
            wanted = [artifact for artifact in artifacts if user_file(artifact) is None]
            ensure(wanted, folder, progress=True)
        console.print(_table(artifacts, folder))
    except UnmaskError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _table(artifacts: tuple[Artifact, ...], folder: Path) -> Table:
    table = Table(title=f"Pretrained weights in {folder}")
    table.add_column("name", no_wrap=True)
    table.add_column("what")
    table.add_column("licence")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for artifact in artifacts:
        table.add_row(
            artifact.name,
            artifact.what,
            artifact.licence,
            f"{artifact.size / 1e6:.1f}",
            _state(artifact, folder),
        )
    return table


def _state(artifact: Artifact, folder: Path) -> str:
    given = user_file(artifact)
    if given is not None:
        return "your own file"
    path = artifact.cached_in(folder)
    if not path.exists():
        return "missing"
    return "present" if is_whole(artifact, path) else "damaged"


if __name__ == "__main__":
    sys.exit(main())
