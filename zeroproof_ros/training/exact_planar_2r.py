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

from zeroproof_ros.bundle import GraphKind, write_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.training.bundle_metadata import bundle_metadata
from zeroproof_ros.training.planar_2r_rows import planar_2r_deployment
from zeroproof_ros.training.strict_graph import IR_VERSION, OPSET, as_kind


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
        ConfigError: see `as_kind`.
        DeploymentError: a block for another robot or other columns.
        BundlePathError: see `write_bundle`.
    """
    block = planar_2r_deployment(deployment, folder, "the exact model")
    lengths = block.link_lengths
    model = exact_graph(lengths[0], lengths[1], config, kind)
    metadata = {
        **bundle_metadata(model, config),
        "deployment": {
            **deployment,
            "model": {
                "kind": "exact",
                "formula": "P = adj(J) dx, Q = det J",
                "made_by": "zeroproof_ros.training.exact_planar_2r",
            },
        },
    }
    write_bundle(folder, model.SerializeToString(), metadata, overwrite=overwrite)


def exact_graph(l1: float, l2: float, config: InferenceConfig, kind: GraphKind) -> ModelProto:
    """The graph for link lengths l1, l2 [m]; float32, input_0 (batch, 4) = q1, q2, dx, dy."""
    model = parser.parse_model(
        f"""<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
        exact_planar_2r (float[batch,4] input_0)
            => (float[batch,2] numerator, float[batch] denominator) {{ {_KINEMATICS} }}"""
    )
    constants = {
        "l1": np.float32(l1),
        "l2": np.float32(l2),
        "l1_l2": np.float32(l1 * l2),
        "widths": np.ones(4, dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    model = as_kind(kind, model, config)
    checker.check_model(model, full_check=True)
    return model


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
