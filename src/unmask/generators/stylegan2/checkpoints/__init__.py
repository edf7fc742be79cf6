"""Readers of StyleGAN2 checkpoints. They rebuild tensors and plain values; nothing that a file holds is ever run.

`read.read_checkpoint` reads any of them, `converted.write_converted` keeps one as safetensors.
"""
