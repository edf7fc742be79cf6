"""Other people's inpainting networks, from ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import final

import torch

from unmask.config import OnnxConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Failure, Reconstruction, StepCallback
from unmask.files import stamp
from unmask.methods.base import Method, MethodContext
from unmask.onnxmodels import Contract, OnnxModel, fill, open_model, read_contract


@final
class Onnx(Method):
    """Asks a model for one picture at a time: many take no more, and so none sees its neighbours."""

    def __init__(self, model: OnnxModel, contract: Contract) -> None:
        super().__init__()
        self.model = model
        self.contract = contract

    @classmethod
    def build(cls, config: OnnxConfig, context: MethodContext) -> Onnx:
        """See `Method.build`.

        Raises:
            UnmaskError: no model is named, it cannot be loaded, or what it wants is not clear.
        """
        if config.model is None:
            raise UnmaskError("method=onnx runs a model of yours: name its file with method.model=FILE.onnx.")
        path, cuda, threads = Path(config.model).expanduser(), context.device.type == "cuda", torch.get_num_threads()
        recipe = (stamp(path), cuda, threads)
        model = context.shared.get("onnx", recipe, lambda: open_model(path, threads=threads, cuda=cuda))
        return cls(model, read_contract(model, config))

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """See `Method.unmask`."""
        ids, made, failures = [], [faces.masked[:0]], []
        for row, id in enumerate(faces.ids):
            picture = fill(self.model, self.contract, faces.masked[row : row + 1], faces.hole[row : row + 1])
            if bool(picture.isfinite().all()):
                ids.append(id)
                made.append(picture)
            else:
                reason = (
                    f"The output of {self.model.path.name} has numbers that are not finite; see method.picture_range."
                )
                failures.append(Failure(id, reason))
        return Reconstruction(tuple(ids), torch.cat(made), failures=tuple(failures))
