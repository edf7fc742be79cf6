"""Networks of the framework as ONNX files; ``python -m unmask.export --help``."""
