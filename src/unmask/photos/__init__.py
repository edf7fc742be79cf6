"""Any photo in, the same photo out: `Unmasker`, and ``python -m unmask.photos``."""

from __future__ import annotations

from unmask.photos.results import FaceResult, FoundFace, FoundFaces, UnmaskedPhoto
from unmask.photos.settings import METHODS
from unmask.photos.unmasker import Progress, Unmasker

__all__ = ["METHODS", "FaceResult", "FoundFace", "FoundFaces", "Progress", "UnmaskedPhoto", "Unmasker"]
