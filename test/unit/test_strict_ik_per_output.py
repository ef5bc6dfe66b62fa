"""Bundles with a denominator for each output: a row is as bad as the worst of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.pipeline import Policy, Reason, Source, StrictIK

# tau_infer is 0.02 and tau_train 0.05; the denominators of a row are its joint angles.
ACCEPTED, RISKY, NOTHING = 1.0, 0.03, 0.01


@pytest.fixture(scope="module")
def bundle(graph_bundle: Callable[..., Bundle]) -> Bundle:
    return graph_bundle(
        "denominator, numerator = Split <axis=1> (input_0, widths)",
        outputs="float[batch, 2] numerator, float[batch, 2] denominator",
        constants="int64[2] widths = {2, 2}",
    )


@pytest.mark.parametrize(
    ("q1", "q2", "bottom", "gap"),
    [
        (ACCEPTED, ACCEPTED, 0, 0),
        (ACCEPTED, RISKY, 0, 1),
        (RISKY, ACCEPTED, 0, 1),
        (ACCEPTED, NOTHING, 1, 0),
        (NOTHING, ACCEPTED, 1, 0),
        (RISKY, NOTHING, 1, 0),
        (-RISKY, -RISKY, 0, 1),
    ],
)
def test_one_output_without_a_value_or_at_risk_marks_the_row(
    bundle: Bundle, q1: float, q2: float, bottom: int, gap: int
) -> None:
    table = StrictIK(bundle).solve(np.array([[q1, q2, 0.001, 0.001]]))
    assert (table["bottom"].item(), table["gap"].item()) == (bottom, gap)
    assert (table["semantic"].item(), table["fault"].item()) == (bottom, 0)
    np.testing.assert_allclose(table["q_abs"], min(abs(q1), abs(q2)), rtol=1e-6)


@pytest.mark.parametrize("row", [[ACCEPTED, NOTHING, 0.0, 0.0], [NOTHING, RISKY, 0.0, 0.0]])
def test_a_row_with_one_bottom_is_never_served_by_the_model(
    bundle: Bundle, row: list[float]
) -> None:
    table = StrictIK(bundle, Policy("reject", "accept")).solve(np.array([row]))
    assert (table["source"].item(), table["reason"].item()) == (Source.NONE, Reason.BOTTOM)
