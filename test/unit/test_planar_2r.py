"""The planar two-link arm: laws of its kinematics, then its singular poses by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ArmError
from zeroproof_ros.kinematics import JointLimits, Planar2R, make_arm

FREE = JointLimits.symmetric([1e3, 1e3], [1.0, 1.0])
SHIPPED = Planar2R([1.0, 0.8], FREE)
EQUAL = Planar2R([1.0, 1.0], FREE)

lengths = st.floats(0.05, 5.0)
arms = st.builds(lambda l1, l2: Planar2R([l1, l2], FREE), lengths, lengths) | st.just(EQUAL)
angles = st.floats(-3.2, 3.2) | st.sampled_from([0.0, np.pi / 2, np.pi, -np.pi, 1e-9, np.pi - 1e-9])


def row(*values: float) -> Any:
    return np.array([values])


def wrapped(angle: Any) -> Any:
    """Angles [rad] as their distance from a whole turn."""
    return np.abs(angle - 2 * np.pi * np.round(angle / (2 * np.pi)))


@given(arms, angles, st.floats(0.0, 1.0))
def test_every_branch_of_the_inverse_reaches_the_tool_position(
    arm: Planar2R, direction: float, share: float
) -> None:
    r = arm.inner_radius + share * (arm.outer_radius - arm.inner_radius)
    x = row(r * np.cos(direction), r * np.sin(direction))
    branches = arm.inverse(x)
    assert branches.shape == (1, 2, 2)
    for branch in range(2):
        np.testing.assert_allclose(
            arm.forward(branches[:, branch]), x, rtol=0, atol=2e-9 * arm.outer_radius
        )


@given(arms, angles, angles)
def test_the_branches_contain_the_pose_that_made_the_tool_position(
    arm: Planar2R, q1: float, q2: float
) -> None:
    x = arm.forward(row(q1, q2))
    r = np.hypot(*x[0])
    branches = arm.inverse(x)[0]
    best = int(np.argmin(wrapped(branches[:, 1] - q2)))
    # At a singular circle the rounding of x moves the elbow by its square root.
    ratio = max(arm.l1, arm.l2) / min(arm.l1, arm.l2)
    tolerance = ratio * min(1e-14 / max(abs(np.sin(q2)), 1e-9), 2e-7) + 1e-14
    assert wrapped(branches[best, 1] - q2) <= tolerance
    # At the base the shoulder may point anywhere.
    if r > 1e-6 * arm.outer_radius:
        assert wrapped(branches[best, 0] - q1) <= tolerance * arm.outer_radius / r


@given(arms, angles, angles)
def test_the_jacobian_is_the_derivative_of_the_forward_kinematics(
    arm: Planar2R, q1: float, q2: float
) -> None:
    q, h = row(q1, q2), 1e-6
    columns = [(arm.forward(q + h * e) - arm.forward(q - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(
        arm.jacobian(q), np.stack(columns, axis=2), rtol=0, atol=1e-9 * arm.outer_radius
    )


@given(arms, angles, angles)
def test_the_determinant_is_that_of_the_jacobian(arm: Planar2R, q1: float, q2: float) -> None:
    q = row(q1, q2)
    scale = arm.outer_radius**2
    np.testing.assert_allclose(
        arm.determinant(q), np.linalg.det(arm.jacobian(q)), rtol=0, atol=1e-14 * scale
    )
    assert abs(arm.determinant(q)[0]) <= arm.max_determinant


@given(arms, angles, angles)
def test_the_joint_call_answers_what_the_single_calls_answer(
    arm: Planar2R, q1: float, q2: float
) -> None:
    q = row(q1, q2)
    x, J = arm.forward_and_jacobian(q)
    np.testing.assert_array_equal(x, arm.forward(q))
    np.testing.assert_array_equal(J, arm.jacobian(q))


@pytest.mark.parametrize(
    ("q1", "q2", "x", "y"),
    [
        (0.0, 0.0, 1.8, 0.0),
        (np.pi / 2, 0.0, 0.0, 1.8),
        (0.0, np.pi / 2, 1.0, 0.8),
        (0.0, -np.pi / 2, 1.0, -0.8),
        (0.0, np.pi, 0.2, 0.0),
        (np.pi, 0.0, -1.8, 0.0),
    ],
)
def test_the_tool_is_where_a_drawing_puts_it(q1: float, q2: float, x: float, y: float) -> None:
    np.testing.assert_allclose(SHIPPED.forward(row(q1, q2)), row(x, y), atol=1e-15)


@pytest.mark.parametrize("q1", [0.0, 1.0, -np.pi])
def test_the_determinant_of_a_stretched_arm_is_exactly_zero(q1: float) -> None:
    assert SHIPPED.determinant(row(q1, 0.0)) == 0.0


def test_the_largest_determinant_is_reached_at_a_right_angle() -> None:
    assert SHIPPED.determinant(row(0.3, np.pi / 2)) == SHIPPED.max_determinant == 0.8


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0, np.pi])
def test_a_tool_on_the_outer_circle_is_reached_stretched(angle: float) -> None:
    x = 1.8 * row(np.cos(angle), np.sin(angle))
    branches = SHIPPED.inverse(x)[0]
    np.testing.assert_allclose(branches[:, 1], 0.0, atol=5e-8)
    np.testing.assert_allclose(wrapped(branches[:, 0] - angle), 0.0, atol=5e-8)


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0, np.pi])
def test_a_tool_on_the_inner_circle_is_reached_folded(angle: float) -> None:
    x = (1.0 - 0.8) * row(np.cos(angle), np.sin(angle))
    branches = SHIPPED.inverse(x)[0]
    np.testing.assert_allclose(np.abs(branches[:, 1]), np.pi, atol=5e-8)
    np.testing.assert_allclose(SHIPPED.forward(branches), np.repeat(x, 2, axis=0), atol=1e-15)


def test_the_elbow_that_bends_to_positive_angles_comes_first() -> None:
    first, second = SHIPPED.inverse(row(1.0, 0.8))[0]
    assert first[1] > 0 > second[1]
    np.testing.assert_allclose(first, [0.0, np.pi / 2], atol=1e-15)


def test_the_base_of_an_arm_with_equal_links_is_reached_folded_to_the_side() -> None:
    branches = EQUAL.inverse(row(0.0, 0.0))
    np.testing.assert_allclose(branches[0], [[-np.pi / 2, np.pi], [np.pi / 2, -np.pi]])
    np.testing.assert_allclose(EQUAL.forward(branches[0]), 0.0, atol=1e-15)


@pytest.mark.parametrize(
    "r", [0.0, 0.1, 0.2 * (1 - 1e-6), 1.8 * (1 + 1e-6), 5.0, 1e200, np.inf, np.nan]
)
def test_out_of_reach_is_nan_in_every_branch(r: float) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        assert np.isnan(SHIPPED.inverse(row(r, 0.0))).all()


@pytest.mark.parametrize("scale", [1 - 1e-12, 1 + 1e-12])
@pytest.mark.parametrize("r", [0.2, 1.8])
def test_rounding_of_a_position_on_a_singular_circle_is_still_in_reach(
    r: float, scale: float
) -> None:
    branches = SHIPPED.inverse(row(r * scale, 0.0))[0]
    np.testing.assert_allclose(SHIPPED.forward(branches)[:, 0], r, rtol=1e-9)


def test_an_empty_batch_has_the_shapes_of_no_rows() -> None:
    none = np.empty((0, 2))
    assert SHIPPED.forward(none).shape == (0, 2)
    assert SHIPPED.jacobian(none).shape == (0, 2, 2)
    assert SHIPPED.determinant(none).shape == (0,)
    assert SHIPPED.inverse(none).shape == (0, 2, 2)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_row_that_is_not_finite_harms_no_other_row() -> None:
    q = np.array([[0.1, 0.2], [np.nan, 0.2], [np.inf, 0.2], [0.1, 0.2]])
    x, J = SHIPPED.forward_and_jacobian(q)
    np.testing.assert_array_equal(np.isfinite(x).all(axis=1), [True, False, False, True])
    np.testing.assert_array_equal(np.isfinite(J).all(axis=(1, 2)), [True, False, False, True])
    np.testing.assert_array_equal(np.isfinite(SHIPPED.inverse(x)).any(axis=(1, 2))[1:3], False)


@pytest.mark.parametrize(
    "links", [[1.0], [1.0, 1.0, 1.0], [], [0.0, 1.0], [1.0, -1.0], [np.nan, 1.0], [1.0, np.inf]]
)
def test_links_that_are_not_two_finite_lengths_are_refused(links: list[float]) -> None:
    with pytest.raises(ArmError, match=r"link lengths are .*, expected two finite numbers > 0"):
        Planar2R(links, FREE)


def test_limits_of_another_number_of_joints_are_refused() -> None:
    with pytest.raises(ArmError, match="3 joint limits, expected 2"):
        Planar2R([1.0, 1.0], JointLimits.symmetric([1.0] * 3, [1.0] * 3))


def test_an_arm_is_made_by_the_name_a_bundle_gives_it() -> None:
    made = make_arm("planar_2r", [1.0, 0.8], FREE)
    assert isinstance(made, Planar2R)
    assert made.task_axes == ("x", "y")
    with pytest.raises(ArmError, match="robot type is 'scara', expected one of planar_2r"):
        make_arm("scara", [1.0, 0.8], FREE)
