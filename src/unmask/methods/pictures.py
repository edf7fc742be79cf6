"""Pictures that any program made, taken from a folder by id."""

from __future__ import annotations

import os
from pathlib import Path
from typing import final

import torch

from unmask.config import PicturesConfig
from unmask.decoding import PICTURE_SUFFIXES
from unmask.errors import UnmaskError
from unmask.faces import Faces, Failure, Reconstruction, StepCallback
from unmask.images import load_image
from unmask.methods.base import Method, MethodContext

PLACEHOLDER = "{id}"


@final
class Pictures(Method):
    """Reads instead of generating; what is read counts as the finished picture, or only inside the hole."""

    def __init__(self, files: dict[str, Path], root: Path, pattern: str, *, whole: bool) -> None:
        """
        Args:
            files: name without suffix -> picture.
            root: where they are from.
            pattern: a file's name without suffix, in which ``{id}`` stands for the id.
            whole: the pictures are composites already.
        """
        super().__init__()
        self.files = files
        self.root = root
        self.pattern = pattern
        self.whole = whole

    @classmethod
    def build(cls, config: PicturesConfig, context: MethodContext) -> Pictures:
        """See `Method.build`.

        Raises:
            UnmaskError: there is no such folder, no picture in it, two of one name, or the pattern has no place for
                the id.
        """
        if config.root is None:
            raise UnmaskError("method=pictures scores pictures of yours: name their folder with method.root=DIR.")
        if PLACEHOLDER not in config.pattern:
            raise UnmaskError(f"method.pattern={config.pattern} has no {PLACEHOLDER}; the default is {PLACEHOLDER}.")
        root = Path(config.root).expanduser()
        return cls(_pictures_below(root), root, config.pattern, whole=config.whole)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """See `Method.unmask`; a picture that is missing, damaged or of another size is a failure."""
        ids, made, failures = [], [faces.masked[:0]], []
        for row, id in enumerate(faces.ids):
            try:
                made.append(self._read(id, faces.masked[row]).to(faces.masked.device)[None])
                ids.append(id)
            except UnmaskError as error:
                failures.append(Failure(id, str(error)))
        raw = torch.cat(made)
        return Reconstruction(tuple(ids), raw, failures=tuple(failures), composites=raw if self.whole else None)

    def _read(self, id: str, masked: torch.Tensor) -> torch.Tensor:
        name = self.pattern.replace(PLACEHOLDER, id)
        path = self.files.get(name)
        if path is None:
            raise UnmaskError(
                f"There is no picture {name}.* in {self.root}. Names are ids (method.pattern says what stands around "
                "them), with any suffix of pictures."
            )
        picture = load_image(path)
        if picture.shape != masked.shape:
            size, wanted = ("x".join(str(side) for side in reversed(one.shape[1:])) for one in (picture, masked))
            raise UnmaskError(
                f"{path}: {size} pixels, but the pictures of the run are {wanted}. Scale the pictures, or set "
                "data.resolution to theirs."
            )
        return picture


def _pictures_below(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise UnmaskError(f"method.root={root}: no such folder.")
    files: dict[str, Path] = {}
    for folder, below, names in os.walk(root):
        below.sort()
        for path in (Path(folder) / name for name in sorted(names)):
            if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
                continue
            if path.stem in files:
                raise UnmaskError(
                    f"method.root={root}: {files[path.stem]} and {path} have one name; leave one of them there."
                )
            files[path.stem] = path
    if not files:
        raise UnmaskError(f"method.root={root}: there is no picture in it.")
    return files
