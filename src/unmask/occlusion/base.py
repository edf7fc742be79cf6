"""The interface of a source of occlusions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from unmask.alignment import Placement


@dataclass(frozen=True)
class FoundOcclusion:
    """Where the face mask is in one picture.

    Attributes:
        occlusion: (1,H,W) float32, 1 where the face mask hides the face, 0 where visible.
        doubt: why it may be wrong, as a full sentence for the user; None where nothing speaks against it.
    """

    occlusion: Tensor
    doubt: str | None = None


class OcclusionFinder(ABC):
    """Says where the face mask is in one picture.

    Finders are called by the loader, in its worker processes: they must be picklable and keep no state
    between pictures.
    """

    @abstractmethod
    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        """The occlusion of one picture.

        Args:
            id: the picture's name.
            masked: (3,H,W) in [-1,1].
            clean: (3,H,W) in [-1,1], the same face without the mask, or None where there is none.
            placement: where the picture lies in a photo; None where it is a file of its own.
        Raises:
            UnmaskError: no sensible occlusion can be found; the message says what to supply.
        """


WAYS_OUT = (
    "Supply either a painted PNG per picture (occlusion=painted occlusion.painted_dir=FOLDER, files "
    "named ID.png, white where the face mask is) or the clean pictures "
    "(occlusion=difference data.clean_dir=FOLDER), or have it found in the picture itself (occlusion=auto)."
)
"""What a user can do when there is no occlusion; the ending of every such error."""
