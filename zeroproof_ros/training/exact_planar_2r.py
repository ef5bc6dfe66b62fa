"""The exact projective model of a planar two-link arm as an ONNX graph.

For a wanted step dx of the tool, the joint step is J^-1 dx = adj(J) dx / det J, so

    P = adj(J) dx = [  l2 c12 dx + l2 s12 dy                          ]      Q = det J = l1 l2 s2
                    [ -(l1 c1 + l2 c12) dx - (l1 s1 + l2 s12) dy      ]

in the letters of `kinematics.planar_2r`. Q vanishes exactly at the singularities. It is not
learned: it shows what a learned model should come to, and serves as one in demos and tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from zeroproof_ros.bundle import Deployment, GraphKind, OutputKind, write_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import DeploymentError

# Read by every ONNX Runtime since 1.17, which Ubuntu 24.04 users may have.
OPSET, IR_VERSION = 18, 9


def write_exact_bundle(
    folder: Path,
    deployment: Mapping[str, Any],
    config: InferenceConfig,
    *,
    kind: GraphKind = GraphKind.PROJECTIVE,
    overwrite: bool = False,
) -> None:
    """Write the exact model of a planar_2r arm as a bundle.

    Args:
        folder: where the bundle shall be.
        deployment: a `deployment` block for a planar_2r arm with joint_delta outputs and the
            features q1, q2, dx, dy in this order.
        config: thresholds in the unit of det J [m^2].
        kind: a projective graph answers (P, Q), a strict one decodes by itself.
        overwrite: whether an existing bundle is replaced.

    Raises:
        DeploymentError: a block for another robot or other columns.
        BundlePathError: see `write_bundle`.
    """
    block = Deployment.from_block(deployment, folder)
    lengths = block.link_lengths
    _check_columns(block, folder)
    metadata = {
        "format": "zeroproofml_export_bundle",
        "format_version": 1,
        "schema_name": "zeroproofml_export_bundle_metadata",
        "schema_version": 1,
        "opset": OPSET,
        "input_names": ["input_0"],
        "output_names": list(kind.value),
        "scm_decoding_mode": "strict",
        "tau_infer": config.tau_infer,
        "tau_train": config.tau_train,
        "use_gap": config.tau_train is not None and config.tau_train > config.tau_infer,
        **(_STRICT_METADATA if kind is GraphKind.STRICT else {}),
        "deployment": {
            **deployment,
            "model": {
                "kind": "exact",
                "formula": "P = adj(J) dx, Q = det J",
                "made_by": "zeroproof_ros.training.exact_planar_2r",
            },
        },
    }
    model = exact_graph(lengths[0], lengths[1], config, kind)
    write_bundle(folder, model.SerializeToString(), metadata, overwrite=overwrite)


def _check_columns(block: Deployment, folder: Path) -> None:
    columns = (block.joint_columns, block.task_columns, len(block.features), block.output_kind)
    if block.robot_type != "planar_2r" or columns != ((0, 1), (2, 3), 4, OutputKind.JOINT_DELTA):
        raise DeploymentError(
            f"{folder}: the exact model takes q1, q2, dx, dy in this order and answers joint_delta "
            f"for a planar_2r arm; the block is for {block.robot_type} with the features "
            f"{', '.join(block.features)} and {block.output_kind.value}",
            found=block.features,
        )


def exact_graph(l1: float, l2: float, config: InferenceConfig, kind: GraphKind) -> ModelProto:
    """The graph for link lengths l1, l2 [m]; float32, input_0 (batch, 4) = q1, q2, dx, dy."""
    constants = {
        "l1": np.float32(l1),
        "l2": np.float32(l2),
        "l1_l2": np.float32(l1 * l2),
        "columns": np.ones(4, dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Split", ["input_0", "columns"], ["q1", "q2", "dx", "dy"], axis=1),
        helper.make_node("Add", ["q1", "q2"], ["q12"]),
        *(
            helper.make_node(op, [angle], [f"{name}_{angle}"])
            for angle in ("q1", "q12")
            for op, name in (("Cos", "c"), ("Sin", "s"))
        ),
        helper.make_node("Sin", ["q2"], ["s_q2"]),
        *(
            helper.make_node("Mul", [f"{name}_{angle}", length], [f"{length}_{name}"])
            for angle, length in (("q1", "l1"), ("q12", "l2"))
            for name in "cs"
        ),
        helper.make_node("Add", ["l1_c", "l2_c"], ["tool_x"]),
        helper.make_node("Add", ["l1_s", "l2_s"], ["tool_y"]),
        *_dot("l2_c", "l2_s", "p1"),
        *_dot("tool_x", "tool_y", "minus_p2"),
        helper.make_node("Neg", ["minus_p2"], ["p2"]),
        helper.make_node("Concat", ["p1", "p2"], ["numerator"], axis=1),
        helper.make_node("Mul", ["s_q2", "l1_l2"], ["det"]),
        helper.make_node("Squeeze", ["det", "axis_1"], ["denominator"]),
    ]
    if kind is GraphKind.STRICT:
        constants |= _thresholds(config)
        nodes += _decode_nodes()
    shapes: dict[str, list[str | int]] = {
        name: ["batch"] for name in ("denominator", "bottom_mask", "gap_mask")
    }
    shapes |= {name: ["batch", 2] for name in ("numerator", "decoded")}
    graph = helper.make_graph(
        nodes,
        "exact_planar_2r",
        [helper.make_tensor_value_info("input_0", TensorProto.FLOAT, ["batch", 4])],
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.BOOL if name.endswith("mask") else TensorProto.FLOAT,
                shapes[name],
            )
            for name in kind.value
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model, full_check=True)
    return model


def _dot(x: str, y: str, result: str) -> list[Any]:
    return [
        helper.make_node("Mul", [x, "dx"], [f"{result}_x"]),
        helper.make_node("Mul", [y, "dy"], [f"{result}_y"]),
        helper.make_node("Add", [f"{result}_x", f"{result}_y"], [result]),
    ]


def _thresholds(config: InferenceConfig) -> dict[str, Any]:
    tau_train = config.tau_infer if config.tau_train is None else config.tau_train
    return {
        "tau_infer": _round_up(config.tau_infer),
        "tau_train": _round_up(tau_train),
        "one": np.float32(1.0),
        "nan": np.float32(np.nan),
    }


def _round_up(threshold: float) -> np.float32:
    """The smallest float32 that is not below the threshold: float32 rows then compare exactly."""
    rounded = np.float32(threshold)
    if float(rounded) < threshold:
        rounded = np.float32(np.nextafter(rounded, np.float32(np.inf)))
    return rounded


def _decode_nodes() -> list[Any]:
    """The strict decode. In this graph Q is finite wherever the inputs are, and so is P / Q."""
    return [
        helper.make_node("Abs", ["denominator"], ["q_abs"]),
        # not (|Q| >= tau), so that a NaN is bottom
        helper.make_node("GreaterOrEqual", ["q_abs", "tau_infer"], ["large"]),
        helper.make_node("Not", ["large"], ["bottom_mask"]),
        helper.make_node("Less", ["q_abs", "tau_train"], ["below_train"]),
        helper.make_node("And", ["large", "below_train"], ["gap_mask"]),
        helper.make_node("Unsqueeze", ["large", "axis_1"], ["large_column"]),
        helper.make_node("Where", ["large_column", "det", "one"], ["divisor"]),
        helper.make_node("Div", ["numerator", "divisor"], ["quotient"]),
        helper.make_node("Where", ["large_column", "quotient", "nan"], ["decoded"]),
    ]


# What zeroproofml 0.5.1 asks of a bundle that decodes by itself.
_STRICT_METADATA: dict[str, Any] = {
    "strict_inference_exports": "merged_only_masks",
    "strict_inference_schema_version": 1,
    "strict_inference_fields": list(GraphKind.STRICT.value),
    "mask_semantics": {
        "output_contract": "merged_only_masks",
        "provenance_mode": "off",
        "provenance_representation": None,
        "bottom_mask": "merged_bottom_mask",
        "gap_mask": "training_inference_gap_mask",
    },
    "batch_axis_semantics": {
        "axis_name": "batch",
        "input_axes": {"input_0": 0},
        "output_axes": dict.fromkeys(GraphKind.STRICT.value, 0),
    },
}
