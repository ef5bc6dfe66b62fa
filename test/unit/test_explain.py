"""The sentence about a row carries the figures that decided it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.pipeline import Policy, Reason, StrictIK, explain


@pytest.mark.parametrize(
    ("row", "policy", "sentence"),
    [
        (
            [0.1, 1.0, 0.001, 0.002],
            {},
            r"row 0 served by the model: ok: \|Q\| 0.673, residual .* \(theta1 0.1, theta2 1, dx",
        ),
        ([0.1, 0.0, -0.001, 0.0], {}, r"served by the solver: bottom: \|Q\| 0, tau_infer 0.02"),
        ([0.1, 0.05, 0.0, 0.0], {"gap_policy": "reject"}, r"rejected: gap: .* tau_train 0.05"),
        (
            [0.0, np.pi / 2, -0.4, -0.4],
            {},
            r"the solver: limit: .* answer moves joint\d by .* rad, limit 0.3 in 0.1 s",
        ),
        (
            [3.1, 1.0, -0.05, -0.1],
            {"step_duration": 1.0},
            r"rejected: .* puts joint1 at 3\.\d+ rad, limits -3.142 to 3.142; the solver's would",
        ),
        (
            [0.1, 0.0, 0.5, 0.0],
            {},
            r"fallback_failed: .* has no value; the solver's leaves residual .*, tolerance 0.9",
        ),
        ([np.nan, 0.0, 0.0, 0.0], {}, r"rejected: bad_input: an input is not a finite number"),
    ],
)
def test_a_row_is_explained_by_its_figures(
    exact_model: Bundle, row: list[float], policy: dict[str, Any], sentence: str
) -> None:
    ik = StrictIK(exact_model, Policy(**policy))
    text = explain(ik, ik.solve(np.array([row])), 0)
    assert re.search(sentence, text), text


def test_a_model_that_misses_is_told_from_one_that_breaks_limits(
    graph_bundle: Callable[..., Bundle],
) -> None:
    # P = (dx, dy), Q = theta2
    nodes = """a, q2, numerator = Split <axis=1> (input_0, widths)
               denominator = Squeeze(q2, axis)"""
    bundle = graph_bundle(nodes, constants="int64[3] widths = {1, 1, 2}, int64[1] axis = {1}")
    ik = StrictIK(bundle)
    table = ik.solve(np.array([[0.1, 1.0, 0.01, 0.02]]))
    assert table["reason"].item() == Reason.RESIDUAL
    assert "residual: |Q| 1; the model's answer misses its tolerances" in explain(ik, table, 0)


def test_a_caller_s_reason_is_explained(exact_model: Bundle) -> None:
    ik = StrictIK(exact_model)
    table = ik.refuse(np.zeros((2, 4)), Reason.STALE)
    assert explain(ik, table, 1).startswith(
        "row 1 rejected: stale: the target was older than the timeout"
    )
