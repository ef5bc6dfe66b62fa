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
from onnx import ModelProto, checker, numpy_helper, parser

from zeroproof_ros.bundle import Deployment, GraphKind, OutputKind, write_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import ConfigError, DeploymentError

# Read by every ONNX Runtime since 1.17, which Ubuntu 24.04 users may have.
OPSET, IR_VERSION = 18, 9
# The kinds this model is written as.
KINDS = (GraphKind.PROJECTIVE, GraphKind.STRICT)


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
        ConfigError: a kind that is not among `KINDS`.
        DeploymentError: a block for another robot or other columns.
        BundlePathError: see `write_bundle`.
    """
    if kind not in KINDS:
        raise ConfigError(f"the exact model is not written as {kind.name}", expected=KINDS)
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
    strict = kind is GraphKind.STRICT
    model = parser.parse_model(
        f"""<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
        exact_planar_2r (float[batch,4] input_0) => ({_STRICT_OUTPUTS if strict else _OUTPUTS}) {{
            {_KINEMATICS}
            {_DECODE if strict else ""}
        }}"""
    )
    constants = {
        "l1": np.float32(l1),
        "l2": np.float32(l2),
        "l1_l2": np.float32(l1 * l2),
        "widths": np.ones(4, dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
        **(_decode_constants(config) if strict else {}),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    checker.check_model(model, full_check=True)
    return model


_OUTPUTS = "float[batch,2] numerator, float[batch] denominator"
_KINEMATICS = """
    q1, q2, dx, dy = Split <axis=1> (input_0, widths)
    q12 = Add(q1, q2)
    c1 = Cos(q1)
    s1 = Sin(q1)
    c12 = Cos(q12)
    s12 = Sin(q12)
    l1_c1 = Mul(l1, c1)
    l1_s1 = Mul(l1, s1)
    l2_c12 = Mul(l2, c12)
    l2_s12 = Mul(l2, s12)
    tool_x = Add(l1_c1, l2_c12)
    tool_y = Add(l1_s1, l2_s12)

    p1_x = Mul(l2_c12, dx)
    p1_y = Mul(l2_s12, dy)
    p1 = Add(p1_x, p1_y)
    minus_p2_x = Mul(tool_x, dx)
    minus_p2_y = Mul(tool_y, dy)
    minus_p2 = Add(minus_p2_x, minus_p2_y)
    p2 = Neg(minus_p2)
    numerator = Concat <axis=1> (p1, p2)

    s2 = Sin(q2)
    det = Mul(l1_l2, s2)
    denominator = Squeeze(det, axis_1)
"""

_STRICT_OUTPUTS = "float[batch,2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask"
# The strict decode. Q is finite here wherever the inputs are, and so is P / Q. Bottom is
# not (|Q| >= tau), so that a NaN is bottom.
_DECODE = """
    q_abs = Abs(denominator)
    large = GreaterOrEqual(q_abs, tau_infer)
    bottom_mask = Not(large)
    below_train = Less(q_abs, tau_train)
    gap_mask = And(large, below_train)

    large_column = Unsqueeze(large, axis_1)
    divisor = Where(large_column, det, one)
    quotient = Div(numerator, divisor)
    decoded = Where(large_column, quotient, nan)
"""


def _decode_constants(config: InferenceConfig) -> dict[str, Any]:
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
