"""Picture models in ONNX files: what they want, and running them."""

from unmask.onnxmodels.contract import Contract
from unmask.onnxmodels.files import OnnxModel, open_model
from unmask.onnxmodels.reading import read_contract
from unmask.onnxmodels.running import fill
from unmask.onnxmodels.stated import CONTRACT, KIND, METADATA, Stated

__all__ = ["CONTRACT", "KIND", "METADATA", "Contract", "OnnxModel", "Stated", "fill", "open_model", "read_contract"]
