"""``python -m unmask.export KIND OUT [OVERRIDE ...]``: a network of the framework as an ONNX file.

The file holds everything between pictures in [-1,1] and the result, for batches of any number of pictures of one size,
and says so in its metadata. What makes pictures runs again through `method=onnx`.

Exit codes: 0 done; 2 anything the user can mend.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unmask.errors import UnmaskError
from unmask.export.kinds import KINDS, prepare
from unmask.export.writing import export
from unmask.shell import output_file, override
from unmask.terminal import steady_streams

SUFFIX = ".onnx"


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    kind: str
    out: Path
    overrides: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        exported = prepare(options.kind, options.overrides)
        difference = export(exported, options.out)
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    size = exported.inputs["image"].shape[-1]
    print(f"{options.out}: {exported.summary}")
    print(
        f"Inputs {', '.join(exported.inputs)}, output {exported.output}, {size} x {size} pixels, batches of any size."
    )
    print(f"Tried beside PyTorch: numbers differ by {difference:.1e} at most.")
    if exported.contract is not None:
        print(f"Run it with method=onnx {shlex.quote(override('method.model', str(options.out)))}")
    return 0


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line; mistakes in it end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.export",
        description="Write a network as an ONNX file. pix2pix: picture and hole to picture; encoder: the same, as "
        "experiment=feed_forward does; occlusion: picture to the probability of a face mask at each pixel.",
    )
    parser.add_argument("kind", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument(
        "out", type=partial(output_file, suffix=SUFFIX), metavar="OUT", help=f"file to write; {SUFFIX} is added"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help="as after python -m unmask.run, such as data.resolution=128, method.checkpoint=FILE",
    )
    read = parser.parse_args(arguments)
    return Options(read.kind, read.out, tuple(read.overrides))


if __name__ == "__main__":
    sys.exit(main())
