"""Pictures into a model's numbers, and back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.config import OnnxHidden, OnnxHoleRange, OnnxLayout, OnnxMarks, OnnxRange
from unmask.errors import UnmaskError
from unmask.onnxmodels.contract import Contract
from unmask.onnxmodels.files import DTYPES, OnnxModel

ENDS: dict[OnnxRange, tuple[float, float]] = {
    OnnxRange.unit: (0.0, 1.0),
    OnnxRange.signed: (-1.0, 1.0),
    OnnxRange.byte: (0.0, 255.0),
}
"""Black and white."""
HOLE_ENDS: dict[OnnxHoleRange, tuple[float, float]] = {
    OnnxHoleRange.unit: (0.0, 1.0),
    OnnxHoleRange.byte: (0.0, 255.0),
    OnnxHoleRange.signed: (-1.0, 1.0),
    OnnxHoleRange.centred: (-0.5, 0.5),
}


def fill(model: OnnxModel, contract: Contract, masked: Tensor, hole: Tensor) -> Tensor:
    """What the model makes of one picture: (1,3,H,W) in [-1,1], NaN where the model's numbers are not finite.

    Args:
        masked: (1,3,H,W) in [-1,1]; hole: (1,1,H,W), 1 where it is to be filled.
    Raises:
        UnmaskError: the model cannot be run on them, or its output is no picture.
    """
    output = model.run(contract.output, numbers(model, contract, masked.float().cpu(), hole.float().cpu()))
    picture = _read(model, contract, output)
    return _resized(picture, (masked.shape[2], masked.shape[3])).clamp(-1, 1).to(masked.device)


def numbers(model: OnnxModel, contract: Contract, masked: Tensor, hole: Tensor) -> dict[str, np.ndarray]:
    """The inputs by name, for the same arguments as `fill`."""
    size = contract.size or (masked.shape[2], masked.shape[3])
    shown = masked
    if contract.hidden is not OnnxHidden.shown:
        # also where it ends up as zeros: shrinking looks beyond a pixel's own cell
        shown = _nearest_visible(masked, hole)
    shown = _resized(shown, size).clamp(-1, 1)
    hole = F.adaptive_max_pool2d(hole, size)  # a pixel is visible if all of its cell is
    low, high = ENDS[contract.picture_range]
    picture = low + (shown + 1) / 2 * (high - low)
    if contract.hidden is OnnxHidden.zero:
        picture = torch.where(hole > 0, torch.zeros(()), picture)
    if contract.bgr:
        picture = picture.flip(1)
    low, high = HOLE_ENDS[contract.hole_range]
    marked = hole if contract.hole_marks is OnnxMarks.hole else 1 - hole
    marks = low + marked * (high - low)
    if contract.combined:
        parts = [marks, picture] if contract.hole_first else [picture, marks]
        return {contract.picture: _array(model, contract, contract.picture, torch.cat(parts, 1))}
    given = {contract.picture: _array(model, contract, contract.picture, picture)}
    if contract.hole is not None:
        given[contract.hole] = _array(model, contract, contract.hole, marks)
    return given


def _nearest_visible(masked: Tensor, hole: Tensor) -> Tensor:
    """(1,3,H,W), hidden pixels replaced by the nearest visible one; grey where nothing is visible."""
    from scipy.ndimage import distance_transform_edt  # only this needs it

    hidden = hole[0, 0].numpy() > 0
    if hidden.all():
        return torch.zeros_like(masked)
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return masked[:, :, torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    if pictures.shape[2:] == size:
        return pictures
    return F.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)


def _array(model: OnnxModel, contract: Contract, name: str, values: Tensor) -> np.ndarray:
    """(1,C,H,W) in the axes and type of the input `name`."""
    (port,) = (one for one in model.inputs if one.name == name)
    dtype = DTYPES[port.kind]
    if not np.issubdtype(dtype, np.floating):
        values = values.round()
    if name == contract.hole and len(port.shape) == 4:
        channels = port.shape[1 if contract.layout is OnnxLayout.nchw else 3]
        values = values.expand(-1, channels or 1, -1, -1)  # some want a map for each colour
    array = values.numpy()
    if len(port.shape) == 3:
        array = array[:, 0]
    elif contract.layout is OnnxLayout.nhwc:
        array = array.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(array.astype(dtype))


def _read(model: OnnxModel, contract: Contract, output: np.ndarray) -> Tensor:
    """-> (1,3,h,w), black -1 and white 1."""
    shape = output.shape
    if len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
        raise UnmaskError(
            f"{model.path}: the output {contract.output} has the shape {shape}, which is not a picture of three "
            f"channels. {model.ports()} Set method.output."
        )
    values = torch.from_numpy(output.astype(np.float32))
    values = torch.where(values.isfinite(), values, torch.nan)  # clamping would make white of infinity
    both = shape[1] == shape[3]
    if (contract.layout is OnnxLayout.nhwc) if both else shape[3] == 3:
        values = values.permute(0, 3, 1, 2)
    if contract.bgr:
        values = values.flip(1)
    low, high = ENDS[contract.output_range]
    return (values - low) / (high - low) * 2 - 1
