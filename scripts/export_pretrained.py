"""Turn the best weights of a training into the ones that ship with the package, in half precision.

    python scripts/export_pretrained.py outputs/pix2pix

Writes src/unmask/methods/pretrained/METHOD.safetensors, which ``method.checkpoint=pretrained`` loads.
"""

from __future__ import annotations

import argparse
import json

from safetensors.torch import save_file

from unmask.files import atomic_path
from unmask.methods.checkpoints import METADATA, SHIPPED, find, read
from unmask.tensorfiles import read_safetensors

HALF_RANGE = 6e4
"""Values beyond this do not fit half precision (65504 at most)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="directory of a run, or a file of weights")
    parser.add_argument("--learnt-from", required=True, help="what the faces were, in words, for the file's metadata")
    options = parser.parse_args()
    source = find(options.run, "")
    state, method = read(source)
    assert method is not None, f"{source} does not say which method made it"
    facts = json.loads(read_safetensors(source)[1][METADATA])
    tensors = {}
    for name, tensor in state.items():
        whole = tensor.is_floating_point()
        assert not whole or float(tensor.abs().max()) < HALF_RANGE, f"{name} does not fit half precision"
        tensors[name] = tensor.half() if whole else tensor
    target = SHIPPED / f"{method}.safetensors"
    with atomic_path(target) as temporary:
        save_file(tensors, temporary, metadata={METADATA: json.dumps({**facts, "learnt_from": options.learnt_from})})
    millions = sum(tensor.numel() for tensor in tensors.values()) / 1e6
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {millions:.2f} M numbers")


if __name__ == "__main__":
    main()
