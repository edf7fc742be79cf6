"""Clean faces that face masks are drawn on as they are needed."""

from __future__ import annotations

from typing import final

from torch import Tensor

from unmask.data.dataset import FacesDataset
from unmask.data.facemask import FaceShape, colour_of, draw_mask
from unmask.data.landmarks import LocatedFace
from unmask.data.report import DrawingReport
from unmask.data.source import FaceSource
from unmask.errors import UnmaskError
from unmask.faces import Faces
from unmask.images import dilate, load_image
from unmask.seeds import hashed


@final
class DrawnSource(FaceSource):
    """Faces whose landmarks are known, each drawn on anew for every seed, in the colours of the sample."""

    def __init__(
        self, faces: tuple[LocatedFace, ...], report: DrawingReport, *, resolution: int, dilate: float
    ) -> None:
        """`resolution`: side of the pictures; `dilate`: from occlusion to hole, in pixels at 256."""
        self._faces = faces
        self._report = report
        self._resolution = resolution
        self._dilate = dilate

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(face.id for face in self._faces)

    @property
    def report(self) -> DrawingReport:
        return self._report

    def pair(self, index: int, seed: int) -> Faces:
        face, clean = self._faces[index], self.clean(index)
        shape = FaceShape.from_106(face.points_at(self._resolution))
        try:
            drawn = draw_mask(clean[0], shape, colour=colour_of(seed), seed=seed)
        except UnmaskError as error:
            raise UnmaskError(f"{face.path}: {error}") from error
        occlusion = drawn.occlusion[None]
        return Faces((face.id,), drawn.masked[None], occlusion, dilate(occlusion, self._dilate), clean)

    def clean(self, index: int) -> Tensor:
        return load_image(self._faces[index].path, self._resolution)[None]


@final
class DrawnDataset(FacesDataset):
    """Item i is the i-th face of a `DrawnSource` with a mask that depends on nothing but its id."""

    def __init__(self, source: DrawnSource, *, strict: bool = False) -> None:
        self._source = source
        self._strict = strict

    @property
    def ids(self) -> tuple[str, ...]:
        return self._source.ids

    @property
    def report(self) -> DrawingReport:
        return self._source.report

    @property
    def strict(self) -> bool:
        return self._strict

    def __getitem__(self, index: int) -> Faces:
        return self._source.pair(index, hashed(self.ids[index], 4))
