"""The strict decode as ONNX nodes, for graphs that decode by themselves.

It is `contract.strict` again, node by node, and answers the same masks bit by bit:

    small        |Q| < tau_infer
    fault        Q or P / Q is not finite; where P has K columns and Q one, any of them
    bottom_mask  fault or small
    gap_mask     not bottom_mask and |Q| < tau_train
    decoded      P / Q, NaN where bottom_mask

|Q| is compared in float64, so the thresholds stand in the graph as they stand in the metadata.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from zeroproof_ros.bundle import GraphKind
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import ConfigError

# Read by every ONNX Runtime since 1.17, which Ubuntu 24.04 users may have.
OPSET, IR_VERSION = 18, 9
# The kinds a graph is written as.
KINDS = (GraphKind.PROJECTIVE, GraphKind.STRICT)

_TYPES = {TensorProto.FLOAT: "float", TensorProto.DOUBLE: "double"}


def as_kind(kind: GraphKind, model: ModelProto, config: InferenceConfig) -> ModelProto:
    """A projective graph as a graph of some kind.

    Raises:
        ConfigError: a kind that is not among `KINDS`.
    """
    if kind not in KINDS:
        names = " or ".join(each.name for each in KINDS)
        raise ConfigError(
            f"a graph is not written as {kind.name}, only as {names}", found=kind, expected=KINDS
        )
    return model if kind is GraphKind.PROJECTIVE else append_strict_decode(model, config)


def append_strict_decode(model: ModelProto, config: InferenceConfig) -> ModelProto:
    """The strict graph of a projective one.

    Args:
        model: of opset 18, with outputs numerator (batch,) or (batch, K) and denominator
            (batch,), (batch, 1) or (batch, K), both float32 or both float64.
        config: the thresholds, in the unit of Q.
    """
    decode = _decode(model, config).graph
    merged = ModelProto()
    merged.CopyFrom(model)
    graph = merged.graph
    _prefix_names(graph, "model/")
    graph.node.extend(decode.node)
    graph.initializer.extend(decode.initializer)
    del graph.output[:]
    graph.output.extend(decode.output)
    return merged


def _prefix_names(graph: Any, prefix: str) -> None:
    """Give what a graph makes inside other names, which do not meet those of the decode.

    onnx.compose does this too, but in onnx 1.16 it loses the outputs.
    """
    kept = {value.name for value in (*graph.input, *graph.output)}

    def name(old: str) -> str:
        return old if old in kept or not old else prefix + old

    for node in graph.node:
        node.name = name(node.name)
        node.input[:] = [name(old) for old in node.input]
        node.output[:] = [name(old) for old in node.output]
    for tensor in graph.initializer:
        tensor.name = name(tensor.name)
    del graph.value_info[:]


def _decode(model: ModelProto, config: InferenceConfig) -> ModelProto:
    numerator, denominator = (value.type.tensor_type for value in model.graph.output)
    p, q = _shape(numerator), _shape(denominator)
    name = _TYPES[numerator.elem_type]
    # One denominator for the K columns of a row, and whether it lacks the axis of the columns.
    shared, lacks_axis = p != q, len(p) > len(q)
    decode = parser.parse_model(
        f"""<ir_version: {model.ir_version}, opset_import: ["": {OPSET}]>
        strict ({name}{_text(p)} numerator, {name}{_text(q)} denominator)
            => ({name}{_text(p)} decoded, bool{_text(q)} bottom_mask, bool{_text(q)} gap_mask) {{
            q_double = Cast <to={TensorProto.DOUBLE}> (denominator)
            q_abs = Abs(q_double)
            small = Less(q_abs, tau_infer)
            divisor = Where(small, one, denominator)
            {"divisor_column = Unsqueeze(divisor, axis_1)" if lacks_axis else ""}
            quotient = Div(numerator, {"divisor_column" if lacks_axis else "divisor"})

            q_infinite = IsInf(q_abs)
            q_nan = IsNaN(q_abs)
            q_fault = Or(q_infinite, q_nan)
            quotient_infinite = IsInf(quotient)
            quotient_nan = IsNaN(quotient)
            quotient_fault = Or(quotient_infinite, quotient_nan)
            {_ANY_COLUMN.format(keepdims=len(q) - 1) if shared else ""}
            fault = Or(q_fault, {"row_fault" if shared else "quotient_fault"})

            bottom_mask = Or(fault, small)
            accepted = Not(bottom_mask)
            below_train = Less(q_abs, tau_train)
            gap_mask = And(accepted, below_train)
            {"bottom_column = Unsqueeze(bottom_mask, axis_1)" if lacks_axis else ""}
            decoded = Where({"bottom_column" if lacks_axis else "bottom_mask"}, nan, quotient)
        }}"""
    )
    dtype = helper.tensor_dtype_to_np_dtype(numerator.elem_type).type
    # Without tau_train nothing is gap, since what is accepted is not below tau_infer.
    tau_train = config.tau_infer if config.tau_train is None else config.tau_train
    constants: dict[str, Any] = {
        "tau_infer": np.float64(config.tau_infer),
        "tau_train": np.float64(tau_train),
        "one": dtype(1.0),
        "nan": dtype(np.nan),
        **({"axis_1": np.array([1], dtype=np.int64)} if shared else {}),
    }
    decode.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    return decode


# No operator reduces bool.
_ANY_COLUMN = f"""
    column_faults = Cast <to={TensorProto.FLOAT}> (quotient_fault)
    row_faults = ReduceSum <keepdims={{keepdims}}> (column_faults, axis_1)
    row_fault = Cast <to={TensorProto.BOOL}> (row_faults)
"""


def _shape(tensor: Any) -> tuple[str, ...]:
    return tuple(dim.dim_param or str(dim.dim_value) for dim in tensor.shape.dim)


def _text(shape: tuple[str, ...]) -> str:
    return f"[{','.join(shape)}]"
