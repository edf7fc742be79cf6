"""Checks that torch and torchvision belong together; a pair that does not fails in ways that explain nothing.

    python scripts/check_install.py

torchvision holds operators compiled against one version and build of torch. A CPU build of the one beside a
CUDA build of the other imports half-way, or not at all ("operator torchvision::nms does not exist").
"""

from __future__ import annotations

import importlib.metadata
import sys

WAY_OUT = """
Take both from the same index, for example

    {python} -m pip uninstall --yes torch torchvision
    {python} -m pip install torch torchvision

(with --index-url ... to choose CPU or CUDA builds, for both at once), or start anew with `make clean` and
`make demo`, the latter with TORCH_INDEX=... if a particular index is wanted."""


def mismatch() -> str | None:
    """Why the installed pair does not work, or None if it does."""
    try:
        import torch
        from torchvision.ops import nms

        kept = nms(torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]]), torch.tensor([0.4, 0.6]), 0.5)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None if kept.tolist() == [1] else f"torchvision.ops.nms answers {kept.tolist()} instead of [1]"


def version(package: str) -> str:
    """The installed version of a package, or words saying that it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def main() -> int:
    pair = f"torch {version('torch')} and torchvision {version('torchvision')}"
    reason = mismatch()
    if reason is None:
        print(f"{pair} work together.")
        return 0
    print(f"{pair} do not work together ({reason}).\n{WAY_OUT.format(python=sys.executable)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
