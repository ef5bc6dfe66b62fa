"""An ONNX graph before it is run: what it may hold, and the weights it keeps in other files.

A model answers rows by arithmetic of the default ONNX operators. What is refused, and why:

- operators of other domains: they need a library beside ONNX Runtime, or do more than arithmetic
- graphs inside operators (If, Loop, Scan) and functions of the model: a few bytes of them expand
  to any amount of work
- sparse tensors and training graphs: nothing exports them for inference, and they hide tensors
- more parts or larger tensors than the limits below: loading must not exhaust the machine
- weights outside the folder of the bundle
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from zeroproof_ros.bundle.onnx_proto import MESSAGES
from zeroproof_ros.errors import (
    BundlePathError,
    DigestMismatchError,
    GraphRefusedError,
    ModelLoadError,
)

DEFAULT_DOMAINS = (b"", b"ai.onnx")
# Nodes, attributes, tensors and every other part that a file lists.
MAX_PARTS = 100_000
MAX_ELEMENTS = 1 << 26
MAX_WEIGHT_BYTES = 1 << 26
# A file name that means the same on every system and cannot leave its folder.
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

_EXTERNAL = 1  # TensorProto.DataLocation


@dataclass(frozen=True)
class Node:
    """An operator: names of its type, inputs and outputs; `constant` is the value of a Constant."""

    op_type: bytes
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    constant: Any


class OnnxGraph:
    """A parsed model whose parts are all allowed.

    Args:
        content: the serialised ModelProto.
        path: where it came from, for messages.

    Attributes:
        nodes: the operators, in the order of the file.
        tensors: the constant tensors by name, as messages of `onnx_proto`.

    Raises:
        ModelLoadError: not an ONNX model.
        GraphRefusedError: a part that is refused; see the top of this file.
    """

    def __init__(self, content: bytes, path: Path) -> None:
        self._path = path
        self._parts = self._inlined = 0
        self._outside: list[Any] = []
        self._model = self._parse("Model", content)
        self._graph = self._parse("Graph", self._model.graph)
        if not self._graph.node:
            raise ModelLoadError(f"{path} does not load: it is no ONNX model", path=path)
        self._refuse("functions of its own", self._model.functions)
        self._refuse("a training graph", self._model.training_info)
        self._refuse("sparse tensors", self._graph.sparse_initializer)
        for opset in self._model.opset_import:
            self._check_domain(self._parse("OperatorSet", opset).domain, "an operator set")
        self.tensors = {t.name: t for t in map(self._tensor, self._graph.initializer)}
        self.nodes = tuple(map(self._node, self._graph.node))

    def external_files(self) -> tuple[str, ...]:
        """The files beside the model that hold weights, sorted.

        Raises:
            BundlePathError: a name that could leave the folder.
        """
        return tuple(sorted({self._location(self._external(t)) for t in self._outside}))

    def with_weights(self, files: Mapping[str, bytes]) -> bytes:
        """The serialised model with all weights inside.

        Args:
            files: the content of each of `external_files`.

        Raises:
            DigestMismatchError: a file that is too short.
            GraphRefusedError: weights that are larger than the limit, or malformed.
        """

        def inlined(content: bytes) -> bytes:
            tensor = MESSAGES["Tensor"].FromString(content)
            if tensor.data_location != _EXTERNAL:
                return content
            tensor.raw_data = self._weights(tensor, files)
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            return bytes(tensor.SerializeToString())

        graph = self._graph
        _rewrite(graph.initializer, inlined)
        _rewrite(graph.node, lambda node: _rewrite_node(node, inlined))
        self._model.graph = graph.SerializeToString()
        return bytes(self._model.SerializeToString())

    # Parsing

    def _parse(self, message: str, content: bytes) -> Any:
        try:
            parsed = MESSAGES[message].FromString(content)
        except DecodeError as error:
            raise ModelLoadError(
                f"{self._path} does not load: it is no ONNX model ({message}: {error})",
                path=self._path,
            ) from error
        for field, value in parsed.ListFields():
            if not isinstance(value, bytes | int | float) and field.type == field.TYPE_BYTES:
                self._parts += len(value)
        if self._parts > MAX_PARTS:
            raise GraphRefusedError(
                f"{self._path} has more than {MAX_PARTS} parts, expected a model that answers rows",
                found=self._parts,
                expected=MAX_PARTS,
                path=self._path,
            )
        return parsed

    def _node(self, content: bytes) -> Node:
        node = self._parse("Node", content)
        self._check_domain(node.domain, f"operator {_text(node.op_type)}")
        constant = None
        for attribute in (self._parse("Attribute", each) for each in node.attribute):
            self._refuse(f"a graph inside {_text(node.op_type)}", attribute.graphs)
            self._refuse(f"a graph inside {_text(node.op_type)}", attribute.graph)
            self._refuse("sparse tensors", attribute.sparse_tensor)
            self._refuse("sparse tensors", attribute.sparse_tensors)
            tensors = [self._tensor(each) for each in _tensors_of(attribute)]
            if node.op_type == b"Constant":
                constant = tensors[0] if tensors else attribute.value_float
        return Node(node.op_type, tuple(node.input), tuple(node.output), constant)

    def _tensor(self, content: bytes) -> Any:
        tensor = self._parse("Tensor", content)
        if tensor.data_location == _EXTERNAL:
            self._outside.append(tensor)
        elements = 1
        for dim in tensor.dims:
            elements *= max(dim, 0)
            if elements > MAX_ELEMENTS:
                raise GraphRefusedError(
                    f"{self._path}: tensor {_text(tensor.name)} has more than {MAX_ELEMENTS} "
                    f"elements: {list(tensor.dims[:8])}",
                    found=tuple(tensor.dims[:8]),
                    expected=MAX_ELEMENTS,
                    path=self._path,
                )
        return tensor

    def _check_domain(self, domain: bytes, what: str) -> None:
        if domain not in DEFAULT_DOMAINS:
            raise GraphRefusedError(
                f"{self._path}: {what} is of the domain {_text(domain)}, expected the default ONNX "
                "operators only",
                found=_text(domain),
                expected="ai.onnx",
                path=self._path,
            )

    def _refuse(self, what: str, found: Any) -> None:
        if found:
            raise GraphRefusedError(
                f"{self._path} has {what}, expected arithmetic of the default ONNX operators; "
                "export the model without",
                found=what,
                path=self._path,
            )

    # Weights in other files

    def _external(self, tensor: Any) -> dict[bytes, bytes]:
        entries = (self._parse("StringStringEntry", each) for each in tensor.external_data)
        return {entry.key: entry.value for entry in entries}

    def _location(self, entry: Mapping[bytes, bytes]) -> str:
        name = _text(entry.get(b"location", b""))
        if not PLAIN_NAME.fullmatch(name):
            raise BundlePathError(
                f"{self._path} keeps weights in {name!r}, expected a plain file name in the same "
                "folder",
                found=name,
                path=self._path,
            )
        return name

    def _weights(self, tensor: Any, files: Mapping[str, bytes]) -> bytes:
        entry = self._external(tensor)
        name = self._location(entry)
        content = files[name]
        start = self._number(entry, b"offset", 0)
        length = self._number(entry, b"length", len(content) - start)
        where = f"{self._path}: tensor {_text(tensor.name)} in {name}"
        if start < 0 or length < 0 or start + length > len(content):
            raise DigestMismatchError(
                f"{where} takes {length} bytes from {start}, the file has {len(content)}; it was "
                "cut off or exchanged",
                found=len(content),
                expected=start + length,
                path=self._path.with_name(name),
            )
        self._inlined += length
        if self._inlined > MAX_WEIGHT_BYTES:
            raise GraphRefusedError(
                f"{where}: the weights have more than {MAX_WEIGHT_BYTES} bytes",
                found=self._inlined,
                expected=MAX_WEIGHT_BYTES,
                path=self._path,
            )
        return content[start : start + length]

    def _number(self, entry: Mapping[bytes, bytes], key: bytes, default: int) -> int:
        text = entry.get(key)
        if text is None:
            return default
        if not re.fullmatch(rb"[0-9]{1,18}", text):
            raise GraphRefusedError(
                f"{self._path}: the {_text(key)} of a tensor in another file is {_text(text)!r}, "
                "expected a number of bytes",
                found=_text(text),
                path=self._path,
            )
        return int(text)


def _tensors_of(attribute: Any) -> list[bytes]:
    single = [attribute.tensor] if attribute.HasField("tensor") else []
    return [*single, *attribute.tensors]


def _rewrite(repeated: Any, change: Callable[[bytes], bytes]) -> None:
    for index, content in enumerate(repeated):
        repeated[index] = change(content)


def _rewrite_node(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    node = MESSAGES["Node"].FromString(content)
    _rewrite(node.attribute, lambda attribute: _rewrite_attribute(attribute, change))
    return bytes(node.SerializeToString())


def _rewrite_attribute(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    attribute = MESSAGES["Attribute"].FromString(content)
    if attribute.HasField("tensor"):
        attribute.tensor = change(attribute.tensor)
    _rewrite(attribute.tensors, change)
    return bytes(attribute.SerializeToString())


def _text(name: bytes) -> str:
    return name[:200].decode("utf-8", errors="backslashreplace")
