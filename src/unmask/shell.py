"""The edge to shell and Hydra: overrides that both read as they were meant."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from unmask.errors import UnmaskError

PROGRAM = "python -m unmask.run"
AS_IT_IS = re.compile(r"[A-Za-z0-9_./+-]+")
"""Values that mean themselves to Hydra's grammar, unless they are words such as null or true."""


def override(key: str, value: str) -> str:
    """``key=value`` in Hydra's grammar, meaning exactly the text `value`."""
    if AS_IT_IS.fullmatch(value) and "/" in value:
        return f"{key}={value}"
    mark = "'" if '"' in value else '"'  # the shell's own quotes go around it, and are mostly single ones
    literal = value.replace("${", "\\${")  # no interpolation
    escaped = re.sub(rf"(\\*){mark}", lambda found: f"{2 * found.group(1)}\\{mark}", literal)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"{key}={mark}{escaped}{trailing * chr(92)}{mark}"


def command(overrides: Sequence[str], *, multirun: bool = False) -> str:
    """A line for a shell that starts the program with these overrides."""
    return " ".join([PROGRAM, *(["-m"] if multirun else []), *map(shlex.quote, overrides)])


def check_overrides(arguments: Sequence[str]) -> None:
    """Look at a command line before Hydra does, whose own messages speak of its grammar.

    Raises:
        UnmaskError: an override cannot be read, or reads as several values where only one can be taken; the message
            says how to write it.
    """
    # An experiment can be a sweep by itself, whose values the command line may name.
    sweeps = any(
        argument in ("-m", "--multirun") or argument.startswith(("hydra.mode=", "experiment="))
        for argument in arguments
    )
    parser = OverridesParser.create()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or not equals:
            continue
        how = f"Quote the value, for Hydra and for the shell: {shlex.quote(override(key, value))}"
        try:
            (parsed,) = parser.parse_overrides([argument])
        except OverrideParseException as error:
            raise UnmaskError(f"{argument}: cannot be read. {how}") from error
        if parsed.is_sweep_override() and not sweeps and not key.startswith("hydra."):
            raise UnmaskError(f"{argument}: several values, which only a sweep takes (-m). If it is one: {how}")


def output_file(text: str, suffix: str) -> Path:
    """A file to write that a command line names, with `suffix` added where it lacks it.

    Raises:
        ArgumentTypeError: it names no file.
    """
    out = Path(text).expanduser()
    if not out.name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a file name")
    return out if out.suffix == suffix else out.with_name(f"{out.name}{suffix}")
