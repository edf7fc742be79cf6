"""Where the YAML files and the sample are, for an editable install as for a wheel."""

from __future__ import annotations

from pathlib import Path

from unmask.errors import UnmaskError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]
"""The repository, when the package runs from one; an unrelated folder when installed from a wheel."""


def config_dir() -> Path:
    """The absolute folder of run.yaml: in the package (wheel), or atop the repository (editable install).

    Raises:
        UnmaskError: the installation is damaged.
    """
    for candidate in (PACKAGE / "configs", CHECKOUT / "configs"):
        if (candidate / "run.yaml").is_file():
            return candidate
    raise UnmaskError(f"{PACKAGE}: the configuration files are missing; reinstall the package.")


def sample_root() -> str:
    """The absolute folder of the committed sample; found from any current directory.

    Raises:
        UnmaskError: the package was installed without its repository, which alone holds the sample.
    """
    if config_dir() == CHECKOUT / "configs":
        return str(CHECKOUT / "data" / "sample")
    raise UnmaskError(
        "data=sample: the sample pictures are in the project's repository, not in the installed package. "
        "Clone the repository and install it with `pip install -e .`, or name your own pictures: "
        "data=ffhq_cmfd data.root=/path/to/folder, or data=manifest data.manifest=FILE.csv."
    )
