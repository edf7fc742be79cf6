"""Reads a network in OpenVINO's intermediate representation: an .xml graph beside a .bin of constants.

Only the parts of version 10/11 of the format that a plain feed-forward network uses: layers, their
attributes, edges between ports, and `Const` layers whose bytes lie in the .bin at `offset`, `size`. Nothing
is executed and nothing of OpenVINO is needed. Layer ids are merely keys: what feeds what is told by the edges
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from unmask.errors import UnmaskError

ELEMENT_TYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "i64": np.dtype("<i8"),
    "i32": np.dtype("<i4"),
    "f64": np.dtype("<f8"),
}


@dataclass(frozen=True)
class Source:
    """Where an input comes from: the `output`-th output (counted from 0) of the layer with id `layer`."""

    layer: str
    output: int


@dataclass(frozen=True)
class Layer:
    """One operation of the graph; `inputs` are in the order of its input ports."""

    id: str
    name: str
    type: str
    attributes: Mapping[str, str]
    inputs: tuple[Source, ...]


@dataclass(frozen=True)
class Graph:
    """A network: its layers by id (in the order of the file), and the value of every `Const` layer by id."""

    layers: Mapping[str, Layer]
    constants: Mapping[str, np.ndarray]

    def only(self, type_: str) -> Layer:
        """The one layer of a type that occurs once (`Parameter`, `Result`).

        Raises:
            UnmaskError: there is none, or more than one.
        """
        found = [layer for layer in self.layers.values() if layer.type == type_]
        if len(found) != 1:
            raise UnmaskError(f"The network has {len(found)} layers of type {type_}; exactly one was expected.")
        return found[0]


def read_ir(xml: Path, binary: Path) -> Graph:
    """Read a network.

    Raises:
        UnmaskError: a file is missing or not what it should be (no IR, a constant outside the .bin, an edge
        from
            a layer or port that does not exist, an element type this reader does not know).
    """
    try:
        root = ElementTree.parse(xml).getroot()
        data = binary.read_bytes()
    except (OSError, ElementTree.ParseError) as error:
        raise UnmaskError(f"{xml}: cannot be read as an OpenVINO network ({error}).") from error
    nodes = root.findall("./layers/layer")
    if root.tag != "net" or not nodes:
        raise UnmaskError(f"{xml}: is not an OpenVINO network (no <net> with <layers>).")

    output_ports = {node.attrib["id"]: [port.attrib["id"] for port in node.findall("./output/port")] for node in nodes}
    inputs: dict[str, dict[int, Source]] = {id_: {} for id_ in output_ports}
    for edge in root.findall("./edges/edge"):
        source, port = edge.attrib["from-layer"], edge.attrib["from-port"]
        target, target_port = edge.attrib["to-layer"], int(edge.attrib["to-port"])
        if target not in inputs or port not in output_ports.get(source, ()):
            raise UnmaskError(f"{xml}: an edge joins {source}:{port} to {target}, which do not exist.")
        inputs[target][target_port] = Source(source, output_ports[source].index(port))

    layers: dict[str, Layer] = {}
    constants: dict[str, np.ndarray] = {}
    for node in nodes:
        id_, element = node.attrib["id"], node.find("data")
        layers[id_] = Layer(
            id=id_,
            name=node.attrib["name"],
            type=node.attrib["type"],
            attributes={} if element is None else dict(element.attrib),
            inputs=tuple(source for _, source in sorted(inputs[id_].items())),
        )
        if layers[id_].type == "Const":
            constants[id_] = _constant(layers[id_], data, binary)
    return Graph(layers, constants)


def _constant(layer: Layer, data: bytes, binary: Path) -> np.ndarray:
    attributes = layer.attributes
    element_type = attributes.get("element_type", "")
    if element_type not in ELEMENT_TYPES:
        raise UnmaskError(f"{binary}: constant {layer.name} has element type {element_type!r}, which is not supported.")
    dtype = ELEMENT_TYPES[element_type]
    shape = tuple(int(size) for size in attributes["shape"].split(",") if size.strip())
    offset, size = int(attributes["offset"]), int(attributes["size"])
    if offset < 0 or offset + size > len(data) or size != dtype.itemsize * int(np.prod(shape)):
        raise UnmaskError(
            f"{binary}: constant {layer.name} wants {size} bytes at {offset} for shape {shape}; "
            f"the file has {len(data)} bytes. It is truncated or belongs to another .xml."
        )
    return np.frombuffer(data, dtype, count=size // dtype.itemsize, offset=offset).reshape(shape).copy()
