"""Bundles that answer joint positions instead of joint steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zeroproof_ros.bundle import Bundle, OutputKind
from zeroproof_ros.kinematics import Planar2R
from zeroproof_ros.pipeline import Policy, Reason, Source, StrictIK


def rows_for(arm: Planar2R, q: Any, target: Any) -> Any:
    """Rows that send the tool from joints q to the tool position of joints `target`."""
    q, target = np.atleast_2d(q, target)
    return np.hstack([q, arm.forward(target)])


def test_the_model_serves_where_it_is_right(position_bundle: Bundle, arm: Planar2R) -> None:
    ik = StrictIK(position_bundle)
    assert ik.deployment.output_kind is OutputKind.JOINT_POSITION
    target = np.array([[0.1, 1.0], [-0.4, 1.5], [0.0, 2.0]])
    table = ik.solve(rows_for(arm, target - 0.1, target))
    assert table["source"].tolist() == [Source.MODEL] * 3
    np.testing.assert_allclose(table["resolved"], target, atol=1e-5)
    assert (table["residual"] < 1e-5).all()


def test_commands_are_the_positions_themselves(position_bundle: Bundle, arm: Planar2R) -> None:
    ik = StrictIK(position_bundle)
    table = ik.solve(rows_for(arm, [0.0, 0.9], [0.1, 1.0]))
    np.testing.assert_array_equal(ik.commands(table), table["resolved"])


def test_the_solver_keeps_the_branch_the_arm_is_on(position_bundle: Bundle, arm: Planar2R) -> None:
    # The model only knows q2 >= 0, which is too far from an elbow that is bent the other way.
    target = np.array([[0.9, -1.0]])
    table = StrictIK(position_bundle).solve(rows_for(arm, target + 0.1, target))
    assert (table["source"].item(), table["reason"].item()) == (Source.ANALYTIC, Reason.LIMIT)
    np.testing.assert_allclose(table["resolved"], target, atol=1e-9)


def test_a_position_in_the_half_plane_the_model_gets_wrong_goes_to_the_solver(
    position_bundle: Bundle, arm: Planar2R
) -> None:
    target = np.array([[2.0, 1.0]])
    table = StrictIK(position_bundle).solve(rows_for(arm, target - 0.1, target))
    assert (table["source"].item(), table["reason"].item()) == (Source.ANALYTIC, Reason.RESIDUAL)
    np.testing.assert_allclose(table["resolved"], target, atol=1e-9)


def test_a_position_out_of_reach_is_a_fault_that_no_solver_repairs(
    position_bundle: Bundle,
) -> None:
    table = StrictIK(position_bundle).solve(np.array([[0.0, 0.1, 1.9, 0.0], [0.0, 3.0, 0.1, 0.0]]))
    assert table["fault"].tolist() == [1, 1]
    assert table["reason"].tolist() == [Reason.FALLBACK_FAILED] * 2
    assert np.isinf(table["residual"]).all()


def test_a_position_on_the_stretched_circle_is_answered_by_the_solver(
    position_bundle: Bundle,
) -> None:
    table = StrictIK(position_bundle).solve(np.array([[0.1, 0.01, 1.8, 0.0]]))
    assert table["source"].item() == Source.ANALYTIC
    np.testing.assert_allclose(table["resolved"], 0.0, atol=1e-7)


def test_a_position_too_far_away_is_not_shortened_but_refused(
    position_bundle: Bundle, arm: Planar2R
) -> None:
    rows = rows_for(arm, [0.0, 1.0], [0.5, 1.0])
    table = StrictIK(position_bundle).solve(rows)
    assert (table["source"].item(), table["reason"].item()) == (Source.NONE, Reason.FALLBACK_FAILED)
    patient = StrictIK(position_bundle, Policy(step_duration=1.0)).solve(rows)
    assert patient["source"].item() == Source.MODEL


def test_a_position_one_rounding_beyond_a_limit_is_not_served(
    graph_bundle: Callable[..., Bundle], position_block: dict[str, Any], arm: Planar2R
) -> None:
    # q + (answer - q) rounds back onto the limit, so only the answer itself tells.
    upper = 0.3
    answer = float(np.nextafter(upper, 1.0))
    starts = -0.2 - np.arange(1000) * 1.1e-3 / 7
    q1 = next(q for q in starts if q + (answer - q) == upper)
    limits = {"lower": [-3.0, -3.0], "upper": [upper, 3.0]}
    robot = position_block["robot"] | {"position_limits": limits, "velocity_limits": [30.0, 30.0]}
    bundle = graph_bundle(
        """q, x = Split <axis=1> (input_0, widths)  zero = Sub(x, x)  numerator = Add(zero, answer)
        denominator = Add(zero, ones)""",
        inputs="double[batch, 4] input_0",
        outputs="double[batch, 2] numerator, double[batch, 2] denominator",
        constants=f"int64[2] widths = {{2, 2}}, double[2] ones = {{1.0, 1.0}}, "
        f"double[2] answer = {{{answer}, 0.5}}",
        deployment=position_block | {"robot": robot},
    )
    ik = StrictIK(bundle)
    table = ik.solve(rows_for(arm, [q1, 0.5], [answer, 0.5]))
    assert table["decoded"][0, 0] == answer
    assert table["source"].item() != Source.MODEL
    assert (ik.commands(table)[:, 0] <= upper).all()
