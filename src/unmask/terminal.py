"""Lines on the terminal: log lines that neither tear a progress bar nor break a path in two, and last words."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn, final

from rich import get_console


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


def leave(code: int, message: str) -> NoReturn:
    """One line on stderr, then the exit code.

    Raises:
        SystemExit: always.
    """
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)
