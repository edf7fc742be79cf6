"""The one way in which onnxruntime is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CPU = "CPUExecutionProvider"


def open_session(model: str | bytes, *, threads: int, providers: Sequence[str] = (CPU,), unpack: bool = False) -> Any:
    """The onnxruntime.InferenceSession of a network, given as the path of its file or as the file's bytes.

    Args:
        threads: of the CPU.
        providers: where it is to run, the first that there is.
        unpack: turn weights of 8 bits into floats once, not at every run, which takes half the time.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # warnings, of shapes that differ from the exported ones above all, are of no use to who runs the model
    options.log_severity_level = 3
    if unpack:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, sess_options=options, providers=list(providers))
