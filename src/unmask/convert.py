"""``python -m unmask.convert IN OUT``: a StyleGAN2 checkpoint as safetensors and JSON.

IN is anything that `generator.checkpoint` takes, a URL included; no code that it may hold is run. OUT.safetensors holds
the tensors and, in its metadata, the JSON that says what they are: it is all that `generator.checkpoint` needs.
OUT.json holds the same JSON once more, for people and other programs.

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

from rich import get_console
from rich.table import Table

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.files import write_json
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint
from unmask.generators.stylegan2.checkpoints.converted import facts, write_converted
from unmask.generators.stylegan2.checkpoints.locate import open_checkpoint
from unmask.shell import output_file, override
from unmask.terminal import steady_streams

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    source: str
    out: Path
    network: GeneratorNetwork


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        convert(options)
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def convert(options: Options) -> None:
    """From the checkpoint to the files.

    Raises:
        UnmaskError: something the user can mend; nothing is written then.
    """
    console = get_console()
    if Path(options.source).expanduser().resolve() == options.out.resolve():
        raise UnmaskError(f"{options.out}: is the file to be read; give the output another name.")
    checkpoint = open_checkpoint(options.source, options.network)
    write(checkpoint, options.out)
    console.print(summary(checkpoint))
    use = shlex.quote(override("generator.checkpoint", str(options.out)))
    lines = (*checkpoint.source.remarks, f"Use it with generator=stylegan2 {use}")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def write(checkpoint: Checkpoint, out: Path) -> None:
    """Write both files, each of them atomically.

    Raises:
        UnmaskError: they cannot be written.
    """
    try:
        write_converted(checkpoint, out)
        write_json(out.with_suffix(".json"), facts(checkpoint))
    except OSError as error:
        raise UnmaskError(f"{out}: cannot be written ({error}). Make room, or name another file.") from error


def summary(checkpoint: Checkpoint) -> Table:
    """What was found."""
    settings, source = checkpoint.settings, checkpoint.source
    label = f"{settings.c_dim} classes" if settings.c_dim else "unconditional"
    clamp = "" if settings.conv_clamp is None else f", activations clamped to ±{settings.conv_clamp:g}"
    rows = {
        "trained by": f"{source.made_by} ({source.network.value})",
        "pictures": f"{settings.resolution} x {settings.resolution}, {label}",
        "latents": f"z {settings.z_dim}, w {settings.w_dim}, {settings.num_ws} per picture",
        "network": f"{settings.architecture}, {settings.mapping_layers} mapping layers{clamp}",
        "half precision": f"in the {settings.num_fp16_res} highest resolutions, as it was trained; run in float32",
        "numbers": f"{sum(tensor.numel() for tensor in checkpoint.state.values()):,}",
    }
    if not settings.num_fp16_res:
        del rows["half precision"]
    table = Table(title=source.file, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line; mistakes in it end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.convert", description="Convert a StyleGAN2 checkpoint to safetensors and JSON."
    )
    parser.add_argument("source", metavar="IN", help="NVlabs' .pkl or rosinality's .pt; path or URL")
    parser.add_argument(
        "out",
        type=partial(output_file, suffix=SUFFIX),
        metavar="OUT",
        help=f"file to write; {SUFFIX} is added, and OUT.json goes beside it",
    )
    parser.add_argument(
        "--network", choices=[network.value for network in GeneratorNetwork], default=GeneratorNetwork.g_ema.value,
        help="g_ema: the average over training (default); g: the last state",
    )  # fmt: skip
    read = parser.parse_args(arguments)
    return Options(read.source, read.out, GeneratorNetwork(read.network))


if __name__ == "__main__":
    sys.exit(main())
