"""A method for tests of the command: takes notes of what it is asked, slowly if wished, and fails on cue."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from unmask.config import InpaintConfig, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Reconstruction, StepCallback
from unmask.methods.base import Method, MethodContext

NOTES = "PROBE_NOTES"
"""Environment variable: the file in which the asked ids are noted, a line each."""
SECONDS = "PROBE_SECONDS"
"""Environment variable: how long a picture takes."""
USER_MISTAKE, BUG, KILLED = 13.0, 14.0, 15.0
"""Values of `method.radius` that fail; the last one kills its own process."""
ONLY_IN = "PROBE_ONLY_IN"
"""Environment variable: fail only in the process with this rank on its machine."""


class Probe(Method):
    """Paints everything grey; configured as inpaint or stylegan_proj is."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    @classmethod
    def build(cls, config: InpaintConfig | StyleGANProjConfig, context: MethodContext) -> Probe:
        return cls(config.radius if isinstance(config, InpaintConfig) else config.lambda_perceptual)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        with Path(os.environ[NOTES]).open("a", encoding="utf-8") as notes:
            notes.writelines(f"{id} {self.value}\n" for id in faces.ids)
        time.sleep(float(os.environ.get(SECONDS, "0")))
        if os.environ.get(ONLY_IN, rank := os.environ.get("LOCAL_RANK", "0")) != rank:
            return Reconstruction(faces.ids, faces.masked * 0)
        if self.value == USER_MISTAKE:
            raise UnmaskError("method.radius=13 brings bad luck; choose another.")
        if self.value == BUG:
            raise RuntimeError("the programmer's fault")
        if self.value == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        return Reconstruction(faces.ids, faces.masked * 0)
