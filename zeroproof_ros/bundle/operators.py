"""The operators that a model may use: arithmetic of tables.

ONNX Runtime ends the process, rather than raising, where some of the others meet a number they can
not divide by: a stride, a group or a block of 0. They are made for images, sound, text and
sequences, which a row of features is not. For random operators one row has many answers.

A division of whole numbers ends the process as well, by 0 or where the quotient overflows. So the
divisor must be a constant above 0. Whether a value is whole follows from the operators that make
it: those that count or index, a cast, a constant; any other gives what it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zeroproof_ros.bundle.graph import Node, OnnxGraph, Tensor
from zeroproof_ros.errors import GraphRefusedError

_TAKEN = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BatchNormalization Cast CastLike Ceil
    Celu Clip Compress Concat Constant ConstantOfShape Cos Cosh CumSum Det Div Dropout Einsum Elu
    Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm Greater
    GreaterOrEqual HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul Max Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow
    RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round ScatterElements
    ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign Split
    Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile Transpose Unsqueeze Where Xor
"""
OPERATORS = frozenset(_TAKEN.split())

# TensorProto.DataType of whole numbers, and how they are in memory.
_WHOLE = {
    2: "<u1", 3: "<i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 12: "<u4", 13: "<u8",
}  # fmt: skip
_COUNTING = {"ArgMax", "ArgMin", "NonZero", "Shape", "Size"}
# Which input has the type of the result, where it is not the first.
_LIKE = {"CastLike": 1, "OneHot": 2, "Where": 1}
_CAST_TO = {"Cast": "to", "EyeLike": "dtype"}


def check_operators(graph: OnnxGraph, path: Path) -> None:
    """Refuse a graph with an operator that is not taken, or a division that may end the process.

    Raises:
        GraphRefusedError: the message names the operator.
    """
    whole = {name for name, tensor in graph.tensors.items() if tensor.data_type in _WHOLE}
    constants = dict(graph.tensors)
    for node in graph.nodes:
        if node.op_type not in OPERATORS:
            raise GraphRefusedError(
                f"{path}: operator {node.op_type[:200]} is not taken, expected arithmetic of "
                "tables: what is not made for them may end the process instead of failing",
                found=node.op_type,
                expected=tuple(sorted(OPERATORS)),
                path=path,
            )
        divides = node.op_type == "Div" or (node.op_type == "Mod" and not node.integers.get("fmod"))
        if divides and not whole.isdisjoint(node.inputs) and not _is_safe(node.inputs, constants):
            raise GraphRefusedError(
                f"{path}: {node.op_type} of whole numbers by something that is no constant above "
                "0, expected a division of floats: others may end the process instead of failing",
                found=node.op_type,
                path=path,
            )
        if node.op_type == "Constant" and node.constant is not None:
            constants.update(dict.fromkeys(node.outputs, node.constant))
        if _makes_whole(node, whole):
            whole.update(node.outputs)


def _makes_whole(node: Node, whole: set[str]) -> bool:
    """Whether the results of a node may be whole numbers."""
    if node.op_type in _COUNTING:
        return True
    if node.op_type in _CAST_TO and _CAST_TO[node.op_type] in node.integers:
        return node.integers[_CAST_TO[node.op_type]] in _WHOLE
    if node.op_type in ("Constant", "ConstantOfShape"):
        return node.constant is None or node.constant.data_type in _WHOLE
    like = _LIKE.get(node.op_type, 0)
    return like < len(node.inputs) and node.inputs[like] in whole


def _is_safe(inputs: Sequence[str], constants: dict[str, Tensor]) -> bool:
    divisor = constants.get(inputs[1]) if len(inputs) > 1 else None
    if divisor is None or divisor.data is None or divisor.data_type not in _WHOLE:
        return False
    return bool((np.frombuffer(divisor.data, _WHOLE[divisor.data_type]) > 0).all())
