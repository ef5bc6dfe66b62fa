"""An ONNX graph before it is run: what it may hold, and the weights it keeps in other files.

A model answers rows by arithmetic of the default ONNX operators. What is refused, and why:

- operators of other domains: they need a library beside ONNX Runtime, or do more than arithmetic;
  which of the default ones are taken is in `operators`
- graphs inside operators (If, Loop, Scan) and functions of the model: a few bytes of them expand
  to any amount of work
- sparse tensors and training graphs: nothing exports them for inference, and they hide tensors
- tensors of text, and those whose dimensions are not those of their data
- more parts or weights than the limits: loading must not exhaust the machine
- weights outside the folder of the bundle
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zeroproof_ros.bundle.files import PLAIN_NAME
from zeroproof_ros.bundle.onnx_proto import Message, Reader, varint, write
from zeroproof_ros.errors import (
    BundlePathError,
    DigestMismatchError,
    GraphRefusedError,
    ModelLoadError,
)

DEFAULT_DOMAINS = ("", "ai.onnx")
MAX_RANK = 8
MAX_DIM = 1 << 31

_EXTERNAL = 1  # TensorProto.DataLocation
_FLOAT_ATTRIBUTE, _INTEGER_ATTRIBUTE, _TENSOR_ATTRIBUTE = 1, 2, 4  # AttributeProto.AttributeType
_FLOAT = 1  # TensorProto.DataType
# TensorProto.DataType: bytes of one element, for the types that arithmetic has.
_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
# Fields with the elements of a tensor: as varints, or as they are in memory.
_VARINTS = ("int32_data", "int64_data", "uint64_data")
_HOLDERS = (*_VARINTS, "raw_data", "float_data", "double_data")
_LAST = bytes(range(0x80))
# More integers than a divisor or a threshold has.
_FEW = 64


@dataclass(frozen=True)
class Tensor:
    """A constant: `data_type` in the numbers of ONNX, its dims, and its elements as in memory.

    `data` is None where the file spells out many integers.
    """

    data_type: int
    dims: tuple[int, ...]
    data: bytes | None


_CONSTANTS = ("Constant", "ConstantOfShape")
_ZERO = Tensor(_FLOAT, (1,), bytes(4))


@dataclass(frozen=True)
class Node:
    """An operator: names of its type, inputs and outputs.

    `integers` are its attributes of that kind; `constant` is the value of a Constant or of the
    elements of a ConstantOfShape, None where it is no float and no tensor.
    """

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: Mapping[str, int]
    constant: Tensor | None


class OnnxGraph:
    """A parsed model whose parts are all allowed.

    Args:
        content: the serialised ModelProto.
        path: where it came from, for messages.
        read_weights: answers the content of a file beside it, by name.

    Attributes:
        nodes: the operators, in the order of the file.
        tensors: the constant tensors by name.
        content: the serialised model with all weights inside, and nothing that was not looked at.

    Raises:
        ModelLoadError: not an ONNX model.
        GraphRefusedError: a part that is refused; see the top of this file.
        BundlePathError: weights in a file that is none of the bundle.
        DigestMismatchError: such a file that is too short.
    """

    def __init__(self, content: bytes, path: Path, read_weights: Callable[[str], bytes]) -> None:
        self._path = path
        self._read_weights = cache(read_weights)
        self._room: dict[str, int] = {}
        model = Reader(path).read("Model", content)
        graph = model.get("graph", Message("Graph"))
        if not graph.get("node", ()):
            raise ModelLoadError(f"{path} does not load: it is no ONNX model", path=path)
        self._refuse("functions of its own", model, "functions")
        self._refuse("a training graph", model, "training_info")
        self._refuse("sparse tensors", graph, "sparse_initializer")
        for opset in model.get("opset_import", ()):
            self._check_domain(opset.get("domain", ""), "an operator set")
        tensors = graph.get("initializer", ())
        self._refuse_twice([tensor.get("name", "") for tensor in tensors])
        self.tensors = {tensor.get("name", ""): self._tensor(tensor) for tensor in tensors}
        self.nodes = tuple(map(self._node, graph.get("node", ())))
        self._refuse_twice([*self.tensors, *(name for node in self.nodes for name in node.outputs)])
        self.content = write(model)

    def _node(self, message: Message) -> Node:
        op_type = message.get("op_type", "")
        self._check_domain(message.get("domain", ""), f"operator {op_type[:200]}")
        attributes = message.get("attribute", ())
        self._refuse_twice([attribute.get("name", "") for attribute in attributes])
        values = [self._attribute(attribute, op_type) for attribute in attributes]
        if op_type == "ConstantOfShape" and not values:
            values = [_ZERO]
        return Node(
            op_type=op_type,
            inputs=tuple(message.get("input", ())),
            outputs=tuple(message.get("output", ())),
            integers={
                attribute.get("name", ""): attribute.get("i", 0)
                for attribute in attributes
                if attribute.get("type", 0) == _INTEGER_ATTRIBUTE
            },
            # What two attributes of a Constant would mean is not told anywhere.
            constant=values[0] if op_type in _CONSTANTS and len(values) == 1 else None,
        )

    def _attribute(self, message: Message, op_type: str) -> Tensor | None:
        """The value of an attribute that is a tensor or a float."""
        for name in ("g", "graphs"):
            self._refuse(f"a graph inside {op_type[:200]}", message, name)
        for name in ("sparse_tensor", "sparse_tensors"):
            self._refuse("sparse tensors", message, name)
        for tensor in message.get("tensors", ()):
            self._tensor(tensor)
        value = self._tensor(message.fields["t"]) if "t" in message.fields else None
        kind = message.get("type", 0)
        if kind == _FLOAT_ATTRIBUTE:
            return Tensor(_FLOAT, (), message.get("f", bytes(4)))
        return value if kind == _TENSOR_ATTRIBUTE else None

    def _tensor(self, message: Message) -> Tensor:
        where = f"{self._path}: tensor {message.get('name', '')[:200]}"
        data_type = message.get("data_type", 0)
        if data_type not in _ITEM_BYTES:
            raise GraphRefusedError(
                f"{where} has the ONNX data type {data_type}, expected one of "
                f"{', '.join(map(str, _ITEM_BYTES))}",
                found=data_type,
                expected=tuple(_ITEM_BYTES),
                path=self._path,
            )
        dims = self._dims(message, where)
        elements, size = math.prod(dims), math.prod(dims) * _ITEM_BYTES[data_type]
        given = [name for name in _HOLDERS if message.get(name, b"")]
        entries = message.fields.pop("external_data", ())
        outside = message.fields.pop("data_location", 0) == _EXTERNAL
        if len(given) + outside > 1:
            raise GraphRefusedError(
                f"{where} has its elements in {', '.join(given)}"
                f"{' and another file' if outside else ''}, expected them once",
                found=tuple(given),
                path=self._path,
            )
        if outside:
            message.fields["raw_data"] = self._outside(entries, size, where)
            given = ["raw_data"]
        data = bytes(message.get(given[0], b"")) if given else b""
        if given and given[0] in _VARINTS:
            # Each ends with the one byte that has no high bit.
            self._expect_size(where, dims, elements, len(data) - len(data.translate(None, _LAST)))
            few = elements <= _FEW
            return Tensor(data_type, dims, self._in_memory(data, data_type) if few else None)
        self._expect_size(where, dims, size, len(data))
        return Tensor(data_type, dims, data)

    def _dims(self, message: Message, where: str) -> tuple[int, ...]:
        # One more than there may be is enough to see that there are too many.
        dims = self._numbers(bytes(message.get("dims", b""))[: 10 * (MAX_RANK + 1)])
        # A negative number is one beyond 2^63.
        if len(dims) > MAX_RANK or not all(dim < MAX_DIM for dim in dims):
            raise GraphRefusedError(
                f"{where} has the dimensions {dims[: MAX_RANK + 1]}, expected up to {MAX_RANK} "
                f"from 0 to {MAX_DIM - 1}",
                found=tuple(dims),
                expected=MAX_DIM,
                path=self._path,
            )
        return tuple(dims)

    def _in_memory(self, encoded: bytes, data_type: int) -> bytes:
        """Integers that are spelled out, as they are in memory."""
        size = _ITEM_BYTES[data_type]
        numbers = self._numbers(encoded)
        return b"".join((n % (1 << 8 * size)).to_bytes(size, "little") for n in numbers)

    def _numbers(self, encoded: bytes) -> list[int]:
        numbers, at = [], 0
        try:
            while at < len(encoded):
                number, at = varint(encoded, at)
                numbers.append(number)
        except ValueError as error:
            raise ModelLoadError(
                f"{self._path} has a tensor with {error}", path=self._path
            ) from error
        return numbers

    def _expect_size(self, where: str, dims: tuple[int, ...], told: int, found: int) -> None:
        if told != found:
            raise GraphRefusedError(
                f"{where} of shape {dims} takes {told} bytes or integers, {found} are given; the "
                "file was damaged",
                found=found,
                expected=told,
                path=self._path,
            )

    def _check_domain(self, domain: str, what: str) -> None:
        if domain not in DEFAULT_DOMAINS:
            raise GraphRefusedError(
                f"{self._path}: {what} is of the domain {domain[:200]}, expected the default ONNX "
                "operators only",
                found=domain,
                expected="ai.onnx",
                path=self._path,
            )

    def _refuse_twice(self, names: list[str]) -> None:
        """Refuse values with the name of another: it is not told which of them is meant."""
        twice = [name for name, count in Counter(names).items() if count > 1 and name]
        if twice:
            raise GraphRefusedError(
                f"{self._path}: {twice[0][:200]} is made {names.count(twice[0])} times, expected "
                "each value once",
                found=twice[0],
                path=self._path,
            )

    def _refuse(self, what: str, message: Message, field: str) -> None:
        if field in message.fields:
            raise GraphRefusedError(
                f"{self._path} has {what}, expected arithmetic of the default ONNX operators; "
                "export the model without",
                found=what,
                path=self._path,
            )

    def _outside(self, entries: Iterable[Message], size: int, where: str) -> bytes:
        """The elements of a tensor in another file: exactly as many as its dimensions take."""
        told = {entry.get("key", ""): entry.get("value", "") for entry in entries}
        name = told.get("location", "")
        where = f"{where} in {name[:200]!r}"
        if not PLAIN_NAME.fullmatch(name):
            raise BundlePathError(
                f"{where}: expected a plain file name in the folder of the model",
                found=name,
                path=self._path,
            )
        start = self._number(told, "offset", 0, where)
        length = self._number(told, "length", size, where)
        content = self._read_weights(name)
        if length != size or start + size > len(content):
            raise DigestMismatchError(
                f"{where} takes {size} bytes, told are {length} from {start}, the file has "
                f"{len(content)}; it was cut off or exchanged",
                found=len(content),
                expected=start + size,
                path=self._path.with_name(name),
            )
        if name not in self._room:
            self._room[name] = len(content)
        self._room[name] -= size
        if self._room[name] < 0:
            raise GraphRefusedError(
                f"{where}: the tensors there take more than the {len(content)} bytes of the file, "
                "expected each byte in one tensor",
                expected=len(content),
                path=self._path,
            )
        return content[start : start + size]

    def _number(self, told: Mapping[str, str], key: str, default: int, where: str) -> int:
        text = told.get(key)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise GraphRefusedError(
                f"{where}: its {key} is {text[:40]!r}, expected a number of bytes",
                found=text[:40],
                path=self._path,
            )
        return int(text)
