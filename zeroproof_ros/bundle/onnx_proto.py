"""The part of the ONNX file format that a model needs to answer rows: read, and written again.

A robot has no `onnx` package. A protobuf library is not used either: it makes hundreds of megabytes
of a few megabytes of empty messages before it can be asked how many there are, and where a message
is given in two pieces it joins them, which a check of one piece does not see. Here every field is
counted as it is met, one that may be given once is given once, and fields that are not listed below
are left out. What is written holds nothing that was not looked at.

Numbers and names are those of onnx.proto, IR version 3 to 13; wire types and varints as in the
encoding guide of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeroproof_ros.errors import GraphRefusedError, ModelLoadError

# Fields of all messages of a file, and so nodes, tensors, names and everything else it lists. Real
# models have about 20 for each operator, and ONNX Runtime takes seconds for 10 000 operators.
MAX_PARTS = 25_000

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# On the wire it is bytes.
_TEXT = "text"
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_ONE, _MANY = False, True

# Message: number: (name, wire type or message, how often). What a graph for rows has no use for is
# bytes, so that its presence shows.
_FIELDS: dict[str, dict[int, tuple[str, int | str, bool]]] = {
    "Model": {
        1: ("ir_version", _VARINT, _ONE),
        7: ("graph", "Graph", _ONE),
        8: ("opset_import", "OperatorSet", _MANY),
        20: ("training_info", _BYTES, _MANY),
        25: ("functions", _BYTES, _MANY),
    },
    "OperatorSet": {1: ("domain", _TEXT, _ONE), 2: ("version", _VARINT, _ONE)},
    "Graph": {
        1: ("node", "Node", _MANY),
        2: ("name", _TEXT, _ONE),
        5: ("initializer", "Tensor", _MANY),
        11: ("input", "ValueInfo", _MANY),
        12: ("output", "ValueInfo", _MANY),
        15: ("sparse_initializer", _BYTES, _MANY),
    },
    "Node": {
        1: ("input", _TEXT, _MANY),
        2: ("output", _TEXT, _MANY),
        3: ("name", _TEXT, _ONE),
        4: ("op_type", _TEXT, _ONE),
        5: ("attribute", "Attribute", _MANY),
        7: ("domain", _TEXT, _ONE),
    },
    "Attribute": {
        1: ("name", _TEXT, _ONE),
        2: ("f", _FIXED32, _ONE),
        3: ("i", _VARINT, _ONE),
        4: ("s", _BYTES, _ONE),
        5: ("t", "Tensor", _ONE),
        6: ("g", _BYTES, _MANY),
        7: ("floats", _FIXED32, _MANY),
        8: ("ints", _VARINT, _MANY),
        9: ("strings", _BYTES, _MANY),
        10: ("tensors", "Tensor", _MANY),
        11: ("graphs", _BYTES, _MANY),
        20: ("type", _VARINT, _ONE),
        22: ("sparse_tensor", _BYTES, _MANY),
        23: ("sparse_tensors", _BYTES, _MANY),
    },
    "Tensor": {
        1: ("dims", _VARINT, _MANY),
        2: ("data_type", _VARINT, _ONE),
        4: ("float_data", _FIXED32, _MANY),
        5: ("int32_data", _VARINT, _MANY),
        7: ("int64_data", _VARINT, _MANY),
        8: ("name", _TEXT, _ONE),
        9: ("raw_data", _BYTES, _ONE),
        10: ("double_data", _FIXED64, _MANY),
        11: ("uint64_data", _VARINT, _MANY),
        13: ("external_data", "StringStringEntry", _MANY),
        14: ("data_location", _VARINT, _ONE),
    },
    "StringStringEntry": {1: ("key", _TEXT, _ONE), 2: ("value", _TEXT, _ONE)},
    "ValueInfo": {1: ("name", _TEXT, _ONE), 2: ("type", "Type", _ONE)},
    "Type": {1: ("tensor_type", "TensorType", _ONE)},
    "TensorType": {1: ("elem_type", _VARINT, _ONE), 2: ("shape", "Shape", _ONE)},
    "Shape": {1: ("dim", "Dimension", _MANY)},
    "Dimension": {1: ("dim_value", _VARINT, _ONE), 2: ("dim_param", _TEXT, _ONE)},
}


@dataclass
class Message:
    """The listed fields of one message that are given, by name.

    A varint is an int, a float its 4 bytes, text a str, a message a `Message`, and what may be
    given often a list of these; numbers that may be given often are the bytes of all in a row.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any) -> Any:
        """The value of a field, or the default where it is not given."""
        return self.fields.get(name, default)


class Reader:
    """Reads the messages of one file, and counts their fields.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = 0

    def read(self, kind: str, content: bytes) -> Message:
        """The message that some bytes are.

        Raises:
            ModelLoadError: they are none, or a field is given twice that may be given once.
            GraphRefusedError: the file has more than `MAX_PARTS` fields.
        """
        message, known = Message(kind), _FIELDS[kind]
        for number, wire, value, encoded in self._walk(content):
            if number not in known:
                continue
            name, told, many = known[number]
            expected = _BYTES if isinstance(told, str) else told
            packed = many and expected != _BYTES
            if wire != expected and not (packed and wire == _BYTES):
                raise self._malformed(f"{kind}.{name} is of wire type {wire}")
            if packed:
                message.fields.setdefault(name, bytearray()).extend(encoded)
            elif not many and name in message.fields:
                raise self._malformed(f"{kind}.{name} is given twice")
            else:
                given = self._content(told, encoded) if isinstance(told, str) else value
                if many:
                    message.fields.setdefault(name, []).append(given)
                else:
                    message.fields[name] = given
        return message

    def _content(self, kind: str, encoded: bytes) -> Message | str:
        if kind != _TEXT:
            return self.read(kind, encoded)
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._malformed(f"text that is none: {encoded[:40]!r}") from error

    def _walk(self, content: bytes) -> Iterator[tuple[int, int, Any, bytes]]:
        """Number, wire type, value and encoded value of each field of a message."""
        at, end = 0, len(content)
        while at < end:
            self._parts += 1
            if self._parts > MAX_PARTS:
                raise GraphRefusedError(
                    f"{self._path} has more than {MAX_PARTS} parts, expected a model that answers "
                    "rows",
                    found=self._parts,
                    expected=MAX_PARTS,
                    path=self._path,
                )
            tag, start = self._varint(content, at)
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                value, at = self._varint(content, start)
            elif wire == _BYTES:
                length, start = self._varint(content, start)
                at = start + length
            elif wire in _WIDTHS:
                at = start + _WIDTHS[wire]
            else:
                raise self._malformed(f"wire type {wire}")
            if at > end:
                raise self._malformed("cut off")
            encoded = content[start:at]
            yield number, wire, value if wire == _VARINT else encoded, encoded

    def _varint(self, content: bytes, at: int) -> tuple[int, int]:
        try:
            return varint(content, at)
        except ValueError as error:
            raise self._malformed(str(error)) from error

    def _malformed(self, what: str) -> ModelLoadError:
        return ModelLoadError(
            f"{self._path} does not load: it is no ONNX model ({what})", path=self._path
        )


def varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a position, and the position after it.

    Raises:
        ValueError: it does not end, or has more than 64 bits.
    """
    number = shift = 0
    for byte in content[at : at + 10]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if number >> 64:
                break
            return number, at + shift // 7
    raise ValueError("a number that does not end")


def write(message: Message) -> bytes:
    """The bytes of a message; `Reader.read` of them is the message again."""
    pieces: list[bytes] = []
    for number, (name, wire, many) in _FIELDS[message.kind].items():
        if name not in message.fields:
            continue
        value = message.fields[name]
        if wire == _VARINT and not many:
            pieces += (_varint(number << 3 | _VARINT), _varint(value))
        elif wire == _FIXED32 and not many:
            pieces += (_varint(number << 3 | _FIXED32), value)
        else:
            for each in value if isinstance(value, list) else [value]:
                content = _encoded(each)
                pieces += (_varint(number << 3 | _BYTES), _varint(len(content)), content)
    return b"".join(pieces)


def _encoded(value: Any) -> bytes:
    if isinstance(value, Message):
        return write(value)
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
