"""The part of the ONNX file format that is read before ONNX Runtime sees a model.

A robot has no `onnx` package, but protobuf comes with ONNX Runtime. The field numbers are those of
onnx.proto (IR version 3 to 13).

Every message inside a message is declared as bytes and parsed when it is looked at, because a
hostile file of a few megabytes may declare millions of empty ones. Text is bytes too, since it need
not be UTF-8. Fields that are not listed are kept as they are when a message is written again.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "zeroproof_ros.onnx"
_FLOAT, _INT64, _INT32, _BYTES = 2, 3, 5, 12
_OPTIONAL, _REPEATED = 1, 3

# Message: field: (number, type, label).
_FIELDS = {
    "Model": {
        "graph": (7, _BYTES, _OPTIONAL),
        "opset_import": (8, _BYTES, _REPEATED),
        "metadata_props": (14, _BYTES, _REPEATED),
        "training_info": (20, _BYTES, _REPEATED),
        "functions": (25, _BYTES, _REPEATED),
    },
    "OperatorSet": {"domain": (1, _BYTES, _OPTIONAL)},
    "Graph": {
        "node": (1, _BYTES, _REPEATED),
        "initializer": (5, _BYTES, _REPEATED),
        "input": (11, _BYTES, _REPEATED),
        "output": (12, _BYTES, _REPEATED),
        "value_info": (13, _BYTES, _REPEATED),
        "quantization_annotation": (14, _BYTES, _REPEATED),
        "sparse_initializer": (15, _BYTES, _REPEATED),
        "metadata_props": (16, _BYTES, _REPEATED),
    },
    "Node": {
        "input": (1, _BYTES, _REPEATED),
        "output": (2, _BYTES, _REPEATED),
        "op_type": (4, _BYTES, _OPTIONAL),
        "attribute": (5, _BYTES, _REPEATED),
        "domain": (7, _BYTES, _OPTIONAL),
        "metadata_props": (9, _BYTES, _REPEATED),
    },
    "Attribute": {
        "name": (1, _BYTES, _OPTIONAL),
        "value_float": (2, _FLOAT, _OPTIONAL),
        "tensor": (5, _BYTES, _OPTIONAL),
        "graph": (6, _BYTES, _OPTIONAL),
        "strings": (9, _BYTES, _REPEATED),
        "tensors": (10, _BYTES, _REPEATED),
        "graphs": (11, _BYTES, _REPEATED),
        "sparse_tensor": (22, _BYTES, _OPTIONAL),
        "sparse_tensors": (23, _BYTES, _REPEATED),
    },
    "Tensor": {
        "dims": (1, _INT64, _REPEATED),
        "data_type": (2, _INT32, _OPTIONAL),
        "float_data": (4, _FLOAT, _REPEATED),
        "string_data": (6, _BYTES, _REPEATED),
        "name": (8, _BYTES, _OPTIONAL),
        "raw_data": (9, _BYTES, _OPTIONAL),
        "external_data": (13, _BYTES, _REPEATED),
        "data_location": (14, _INT32, _OPTIONAL),
    },
    "StringStringEntry": {"key": (1, _BYTES, _OPTIONAL), "value": (2, _BYTES, _OPTIONAL)},
}


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="zeroproof_ros/onnx.proto", package=_PACKAGE, syntax="proto2"
    )
    for message, fields in _FIELDS.items():
        descriptor = file.message_type.add(name=message)
        for name, (number, kind, label) in fields.items():
            descriptor.field.add(name=name, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _FIELDS
    }


MESSAGES = _messages()
