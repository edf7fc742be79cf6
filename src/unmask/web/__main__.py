"""``python -m unmask.web``: the page, on this machine.

Exit codes: 0 ended by Ctrl-C; 2 anything the user can mend.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence

from unmask.terminal import steady_streams

HERE = ("127.0.0.1", "localhost", "::1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    if importlib.util.find_spec("gradio") is None:
        sys.stderr.write("The page needs one more package: pip install 'unmask[web]'\n")
        return 2
    if options.host not in HERE:
        sys.stderr.write(f"Whoever reaches {options.host} can use this page, and see nothing of others' photos.\n")

    from unmask.photos import Unmasker
    from unmask.web.server import serve

    port = "the first free port from 7860 on" if options.port is None else f"port {options.port}"
    print(f"Starting on {options.host}, {port}; Ctrl-C ends it.", flush=True)
    try:
        serve(
            lambda method: Unmasker(method, options.device),
            host=options.host,
            port=options.port,
            most_mb=options.max_upload,
            open_browser=options.open,
        )
    except OSError as error:
        sys.stderr.write(f"The page cannot be served ({error}). Choose another --port.\n")
        return 2
    return 0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits as argparse does on mistakes."""
    parser = argparse.ArgumentParser(prog="python -m unmask.web", description="Unmask photos in the browser.")
    parser.add_argument("--port", type=int, help="of the page; the first that is free from 7860 on")
    parser.add_argument("--host", default=HERE[0], help="address to bind to (127.0.0.1: this machine alone)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--max-upload", type=float, default=50.0, metavar="MB", help="of a photo (50)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
