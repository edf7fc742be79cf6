"""The floor of every table: the picture as it came."""

from __future__ import annotations

from typing import final

from unmask.config import CopyConfig
from unmask.faces import Faces, Reconstruction, StepCallback
from unmask.methods.base import Method, MethodContext


@final
class Copy(Method):
    """Leaves the face mask where it is."""

    @classmethod
    def build(cls, config: CopyConfig, context: MethodContext) -> Copy:
        return cls()

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        return Reconstruction(faces.ids, faces.masked)
