"""Each reason and each policy by name, on the exact bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, load_bundle
from zeroproof_ros.errors import ArrayError, DeploymentError
from zeroproof_ros.kinematics import AnalyticSolver
from zeroproof_ros.pipeline import Policy, Reason, Source, StrictIK
from zeroproof_ros.pipeline.verify import differential_residual, finite_residual

PI = np.pi
OK = [0.3, 1.2, 0.01, 0.02]
STRETCHED_IN = [0.0, 0.0, -0.01, 0.0]
STRETCHED_OUT = [0.0, 0.0, 0.01, 0.0]
FOLDED_OUT = [0.0, PI, 0.01, 0.0]
GAP = [0.3, 0.05, -0.001, 0.001]
FAR = [0.0, 1.2, -0.5, 0.3]
AT_LIMIT = [PI - 0.001, 1.2, -0.01, -0.02]


def outcome(ik: StrictIK, row: list[float]) -> tuple[Source, Reason]:
    table = ik.solve(np.array([row]))
    return Source(table["source"].item()), Reason(table["reason"].item())


@pytest.mark.parametrize(
    ("row", "source", "reason"),
    [
        (OK, Source.MODEL, Reason.OK),
        (STRETCHED_IN, Source.ANALYTIC, Reason.BOTTOM),
        (FOLDED_OUT, Source.ANALYTIC, Reason.BOTTOM),
        (STRETCHED_OUT, Source.NONE, Reason.FALLBACK_FAILED),
        (GAP, Source.ANALYTIC, Reason.GAP),
        (FAR, Source.ANALYTIC, Reason.LIMIT),
        (AT_LIMIT, Source.NONE, Reason.FALLBACK_FAILED),
        ([4.0, 1.2, 0.01, 0.02], Source.NONE, Reason.FALLBACK_FAILED),
        ([np.nan, 1.2, 0.01, 0.02], Source.NONE, Reason.BAD_INPUT),
        ([0.3, 1.2, np.inf, 0.02], Source.NONE, Reason.BAD_INPUT),
        ([0.3, 1.2, 1e39, 0.02], Source.NONE, Reason.BAD_INPUT),
        ([0.3, 1.2, 3e38, 3e38], Source.NONE, Reason.FALLBACK_FAILED),
        ([0.3, 1.2, 0.0, 0.0], Source.MODEL, Reason.OK),
        ([0.0, 0.0, 0.0, 0.0], Source.ANALYTIC, Reason.BOTTOM),
    ],
)
def test_a_row_is_served_or_refused_for_its_reason(
    exact_model: Bundle, row: list[float], source: Source, reason: Reason
) -> None:
    assert outcome(StrictIK(exact_model), row) == (source, reason)


def test_a_model_step_that_leaves_the_limits_is_refused_for_that(exact_model: Bundle) -> None:
    ik = StrictIK(exact_model)
    table = ik.solve(np.array([AT_LIMIT]))
    # The model was accurate; it is the limit that stopped it, and the solver after it.
    assert np.isfinite(table["decoded"]).all()
    assert AT_LIMIT[0] + table["decoded"][0, 0] > PI
    assert np.isnan(table["resolved"]).all()


@pytest.mark.parametrize(
    ("row", "source", "reason"),
    [
        ([-0.4, 0.075, -0.0044, 0.0090], Source.ANALYTIC, Reason.RESIDUAL),  # inwards
        ([0.6, 0.09, 0.0099, 0.0013], Source.NONE, Reason.FALLBACK_FAILED),  # out of reach
    ],
)
def test_a_step_that_is_right_to_first_order_and_leads_away_is_not_the_models(
    exact_model: Bundle, row: list[float], source: Source, reason: Reason
) -> None:
    ik, rows = StrictIK(exact_model), np.array([row])
    arm, q, dx = ik.deployment.arm, rows[:, :2], rows[:, 2:]
    result = exact_model.run(rows)
    assert not (result.bottom_mask | result.gap_mask).any()
    _, J = arm.forward_and_jacobian(q)
    assert differential_residual(J, result.decoded, dx) < 1e-5
    assert (np.abs(result.decoded) <= 0.3).all()
    assert finite_residual(arm, q, result.decoded, dx) > 0.9
    assert outcome(ik, row) == (source, reason)


def test_a_long_step_is_shortened_to_the_step_limit(exact_model: Bundle) -> None:
    for duration in (0.1, 0.02):
        ik = StrictIK(exact_model, Policy(step_duration=duration, motion_tolerance=0.99))
        table = ik.solve(np.array([FAR]))
        np.testing.assert_allclose(np.abs(table["resolved"]).max(), 3.0 * duration, rtol=1e-12)


@pytest.mark.parametrize("bottom_policy", ["fallback", "reject"])
@pytest.mark.parametrize("gap_policy", ["fallback", "accept", "reject"])
def test_policies_decide_about_their_own_rows_only(
    exact_model: Bundle, bottom_policy: str, gap_policy: str
) -> None:
    ik = StrictIK(exact_model, Policy(bottom_policy, gap_policy))
    bottom = {"fallback": Source.ANALYTIC, "reject": Source.NONE}[bottom_policy]
    gap = {
        "fallback": (Source.ANALYTIC, Reason.GAP),
        "accept": (Source.MODEL, Reason.OK),
        "reject": (Source.NONE, Reason.GAP),
    }[gap_policy]
    assert outcome(ik, STRETCHED_IN) == (bottom, Reason.BOTTOM)
    assert outcome(ik, GAP) == gap
    assert outcome(ik, OK) == (Source.MODEL, Reason.OK)
    assert outcome(ik, FAR) == (Source.ANALYTIC, Reason.LIMIT)


@pytest.mark.parametrize("policy", [Policy("reject", "reject"), Policy("reject", "accept")])
def test_a_rejected_row_has_no_residual(exact_model: Bundle, policy: Policy) -> None:
    table = StrictIK(exact_model, policy).solve(np.array([STRETCHED_IN]))
    assert table["residual"].item() == np.inf


def test_an_accepted_gap_row_is_still_checked(exact_model: Bundle) -> None:
    far_gap = [0.3, 0.05, -0.1, 0.1]
    ik = StrictIK(exact_model, Policy(gap_policy="accept"))
    table = ik.solve(np.array([far_gap]))
    assert table["gap"].item() == 1
    assert table["source"].item() != Source.MODEL


def test_a_solver_that_fails_costs_only_the_rows_it_was_given(
    exact_model: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise np.linalg.LinAlgError("singular matrix")

    monkeypatch.setattr(AnalyticSolver, "motion", fail)
    table = StrictIK(exact_model).solve(np.array([OK, STRETCHED_IN, OK, GAP]))
    failed = Reason.FALLBACK_FAILED
    assert table["reason"].tolist() == [Reason.OK, failed, Reason.OK, failed]
    assert table["source"].tolist() == [Source.MODEL, Source.NONE, Source.MODEL, Source.NONE]
    assert np.isnan(table["resolved"][1::2]).all()
    assert np.isinf(table["residual"][1::2]).all()


def test_a_row_of_uncounted_turns_costs_only_itself(exact_model: Bundle) -> None:
    rows = np.array([[2.96785371e16, 1.0, 0.0, 0.0], STRETCHED_IN, GAP])
    table = StrictIK(exact_model).solve(rows)
    assert table["source"].tolist() == [Source.NONE, Source.ANALYTIC, Source.ANALYTIC]


@pytest.mark.parametrize("reason", [Reason.STALE, Reason.BAD_INPUT, Reason.RUNTIME_ERROR])
def test_a_caller_may_refuse_rows_for_its_own_reason(exact_model: Bundle, reason: Reason) -> None:
    rows = np.array([OK, [np.nan] * 4])
    table = StrictIK(exact_model).refuse(rows, reason)
    np.testing.assert_array_equal(table["in"], rows)
    assert table["reason"].tolist() == [reason, reason]
    assert not table.served.any()
    assert (table["bottom"] & table["fault"]).all()
    assert np.isnan(table["resolved"]).all()
    assert np.isnan(table["decoded"]).all()
    assert np.isinf(table["residual"]).all()


def test_an_empty_batch_is_answered_empty(exact_model: Bundle) -> None:
    ik = StrictIK(exact_model)
    table = ik.solve(np.empty((0, 4)))
    assert len(table) == 0
    assert ik.commands(table).shape == (0, 2)
    assert ik.waypoints(table).shape == (0, 2)
    assert len(ik.refuse(np.empty((0, 4)), Reason.STALE)) == 0


@pytest.mark.parametrize(
    "inputs",
    [np.zeros(4), np.zeros((1, 3)), np.zeros((1, 5)), np.zeros((1, 1, 4)), np.zeros((1, 4), bool),
     np.array([["1"] * 4]), np.zeros((1, 4), complex), np.array([[None] * 4])],
    ids=lambda i: f"{i.dtype}{i.shape}",
)  # fmt: skip
def test_what_is_no_table_of_the_features_is_refused(exact_model: Bundle, inputs: Any) -> None:
    ik = StrictIK(exact_model)
    message = r"expected \(N, 4\) real numbers with the columns theta1, theta2, dx, dy"
    with pytest.raises(ArrayError, match=message):
        ik.solve(inputs)
    with pytest.raises(ArrayError, match=message):
        ik.refuse(inputs, Reason.STALE)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int8])
def test_rows_of_any_real_dtype_are_answered(exact_model: Bundle, dtype: Any) -> None:
    rows = np.array([[0, 1, 0, 0], [1, 1, 0, 0]], dtype=dtype)
    assert StrictIK(exact_model).solve(rows)["reason"].tolist() == [0, 0]


def test_the_input_is_left_alone(exact_model: Bundle) -> None:
    rows = np.array([OK, STRETCHED_IN, FAR])
    rows.flags.writeable = False
    table = StrictIK(exact_model).solve(rows)
    assert not np.shares_memory(table.rows, rows)


def test_a_bundle_that_names_no_arm_can_not_be_checked(edit: Any) -> None:
    with pytest.raises(DeploymentError, match="has no deployment block, .* load_bundle"):
        StrictIK(load_bundle(edit(deployment=...)))
