"""The terminal: progress bars, log lines that neither tear one nor break a path in two, and last words.

Printing never decides whether a program succeeds: `steady_streams` makes streams that take every character, and go on
when nobody reads any more.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO, final

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@final
class TerminalHandler(logging.Handler):
    """Prints records through the console that rich's progress bars use; configs/hydra/*_logging name it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            style = "red" if record.levelno >= logging.ERROR else None
            get_console().print(
                self.format(record), style=style, soft_wrap=True, markup=False, highlight=False, emoji=False
            )
        except Exception:  # as every handler of the standard library: logging never ends a program
            self.handleError(record)


def counting_bar(*, shown: bool) -> Progress:
    """A bar of things that are done one by one; its tasks have a field `note`, said at its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), disable=not shown)


def download_bar(*, shown: bool) -> Progress:
    """A bar of bytes, on stderr: weights may be fetched in the middle of anything, a counted bar's work included."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not shown)


PLAIN = {"→": "->", "←": "<-", "↑": "^", "↓": "v", "λ": "lambda", "±": "+-", "×": "x", "–": "-", "—": "-", "…": "..."}
"""What stands for our own signs where the terminal's encoding lacks them."""
SPELT = "unmask.spelt"


def steady_streams() -> None:
    """Let stdout and stderr take whatever is printed: what the encoding lacks is spelt, and a reader that has left, a
    full disk behind a redirection or a closed stream lose the words, not the work.

    Called by every program as it starts. Streams that somebody has put in the place of the interpreter's stay.
    """
    codecs.register_error(SPELT, _spell)
    logging.raiseExceptions = False  # a log on a full disk loses lines, without a traceback for each
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _steady(sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _steady(sys.stderr)


def _steady(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by whoever started the program
        return Path(os.devnull).open("w", encoding="utf-8")
    stream.flush()
    buffered = io.BufferedWriter(_Descriptor(stream.fileno()))  # type: ignore[type-var]
    return io.TextIOWrapper(buffered, stream.encoding, errors=SPELT, line_buffering=True)


def _spell(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    spelt = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs)
    return spelt, error.end


class _Descriptor(io.RawIOBase):
    """An open file's number; what cannot be written there is lost."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        try:
            return os.write(self._number, data)
        except OSError:
            return len(data)


@contextmanager
def progress_bar(title: str, total: int, *, enabled: bool = True) -> Iterator[Callable[[int, str], None]]:
    """A bar on the terminal, and the function that moves it: called with how many of `total` are done, and a note."""
    bar = counting_bar(shown=enabled)
    task = bar.add_task(title, total=total, note="")

    def move(done: int, note: str) -> None:
        bar.update(task, completed=done, note=note)

    with bar:
        yield move


def leave(code: int, message: str) -> NoReturn:
    """One line on stderr, then the exit code.

    Raises:
        SystemExit: always.
    """
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)
