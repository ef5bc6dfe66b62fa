"""The smoke test: it passes what keeps the contract, and each check finds what breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.cli import main
from zeroproof_ros.pipeline import ResultTable, Source, StrictIK
from zeroproof_ros.smoke.checks import CHECKS, NEEDS_ARM, TOLERANCE, Trial, smoke
from zeroproof_ros.smoke.rows import USABLE, smoke_rows

# The numerator and denominator of every graph below; `ones` makes |Q| 1 wherever it is used.
CONSTANTS = """
    int64[2] widths = {2, 2}, int64[1] axis = {1}, int64[1] rows_axis = {0},
    int64[2] two_by_two = {2, 2}, int64[1] row_0 = {0}, int64[1] row_2 = {2}, float zero = {0.0},
    float one = {1.0}
"""
# Takes the last two columns for the answer, and looks at all of them in Q.
HONEST = """
    rest, numerator = Split <axis=1> (input_0, widths)
    touched = Mul(input_0, zero)  sums = ReduceSum <keepdims=0> (touched, axis)
    denominator = Add(sums, one)
"""


def report_of(bundle: Bundle, rows: int = 100, seed: int = 0) -> Mapping[str, Any]:
    report = smoke(bundle, rows=rows, seed=seed)
    json.dumps(report, allow_nan=False)
    return report


@pytest.fixture
def trial(exact_model: Bundle) -> Trial:
    return trial_of(exact_model)


def trial_of(bundle: Bundle) -> Trial:
    rows, kinds = smoke_rows(bundle, 20, np.random.default_rng(0))
    ik = StrictIK(bundle)
    return Trial(bundle, rows, kinds, bundle.run(rows), ik, ik.solve(rows))


@pytest.mark.parametrize("kind", [GraphKind.PROJECTIVE, GraphKind.STRICT])
@pytest.mark.parametrize("tau_train", [None, 0.05])
def test_the_exact_model_passes(
    exact_bundle: Callable[..., Bundle], kind: GraphKind, tau_train: float | None
) -> None:
    report = report_of(exact_bundle(kind=kind, tau_train=tau_train), rows=400)
    assert report["failures"] == {}
    assert report["warnings"] == []
    assert report["checks"] == list(CHECKS)
    rates = report["rates"]
    assert rates["served_by_model"] > 0.85
    assert rates["served_by_nobody"] == 0.0
    assert rates["accept"] == pytest.approx(1.0 - rates["bottom"])
    assert rates["coverage"] == pytest.approx(1.0 - rates["bottom"] - rates["gap"])
    assert (rates["gap"] > 0.0) is (tau_train is not None)
    # every singular row is bottom
    assert rates["bottom"] >= report["rows"]["singular"] / 413 - 1e-6
    for quantiles in report["residuals"].values():
        assert 0.0 <= quantiles["p50"] <= quantiles["p99"] <= quantiles["max"] < 1e-4
    assert set(report["residuals"]) == {"model", "solver"}
    assert report["median_seconds"]["rows_1"] > 0.0


def test_a_model_of_joint_positions_passes(position_bundle: Bundle) -> None:
    report = report_of(position_bundle)
    assert report["failures"] == {}
    assert report["rates"]["served_by_model"] > 0.1
    # it needs no joint positions to know where to go
    assert report["warnings"] == [
        f"the model does not look at {name}, so it accepts a NaN there"
        for name in ("theta1", "theta2")
    ]


@pytest.mark.parametrize("seed", [0, 1, 1 << 64])
def test_rows_are_of_every_kind(exact_model: Bundle, seed: int) -> None:
    deployment = exact_model.deployment
    assert deployment is not None
    arm = deployment.arm
    rows, kinds = smoke_rows(exact_model, 30, np.random.default_rng(seed))
    of_kind = {kind: rows[kinds == kind] for kind in dict.fromkeys(kinds.tolist())}
    assert list(of_kind) == ["random", "singular", "nan", "infinite", "twice"]
    assert len(of_kind["random"]) == 30
    finite = rows[np.isin(kinds, USABLE)]
    assert np.isfinite(finite).all()
    q, dx = finite[:, :2], finite[:, 2:]
    assert arm.limits.contain(q).all()
    # every target is within reach of a small step
    reached = np.linalg.norm(arm.forward(q) + dx, axis=1)
    assert ((reached >= 0.2 - 1e-9) & (reached <= 1.8 + 1e-9)).all()
    assert np.linalg.norm(dx, axis=1).max() < 0.2
    assert set(of_kind["singular"][:, 1]) == {0.0, np.pi, -np.pi}
    assert np.isnan(of_kind["nan"]).sum(axis=0).tolist() == [1, 1, 1, 1]
    assert np.isinf(of_kind["infinite"]).sum(axis=0).tolist() == [2, 2, 2, 2]
    assert of_kind["infinite"].min() == -np.inf
    assert of_kind["twice"].tolist() == rows[:1].tolist()


def test_the_same_seed_gives_the_same_rows(exact_model: Bundle) -> None:
    one, other, another = (
        smoke_rows(exact_model, 5, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    )
    assert one.tobytes() == other.tobytes() != another.tobytes()


def test_an_arm_whose_limits_leave_out_a_singularity_is_not_sent_there(
    exact_bundle: Callable[..., Bundle],
) -> None:
    bundle = exact_bundle(position_limits={"lower": [-3.0, 0.5], "upper": [3.0, 2.5]})
    report = report_of(bundle)
    assert "singular" not in report["rows"]
    assert report["failures"] == {}


def test_without_an_arm_it_says_so(edit: Callable[..., Path]) -> None:
    report = report_of(load_bundle(edit(deployment=...)))
    assert report["failures"] == {}
    assert report["warnings"] == [
        "it has no arm: rows are standard normal, and no answer was checked by one"
    ]
    assert report["checks"] == [name for name in CHECKS if name not in NEEDS_ARM]
    assert report["residuals"] == {}
    assert set(report["rates"]) == {"bottom", "gap", "accept", "coverage"}
    assert "singular" not in report["rows"]


def test_without_an_arm_a_model_that_accepts_nothing_is_a_warning(
    edit: Callable[..., Path],
) -> None:
    folder = edit(deployment=..., tau_infer=1.0, tau_train=None, use_gap=False)
    report = report_of(load_bundle(folder))
    assert report["failures"] == {}
    assert report["warnings"][1] == "the model accepts no row"


def test_a_model_that_serves_nothing_fails(
    exact_bundle: Callable[..., Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = exact_bundle(tau_infer=1.0, tau_train=None)
    report = report_of(bundle)
    assert list(report["failures"]) == ["serves"]
    told = "the model serves none of 113 rows within the limits"
    assert report["failures"]["serves"] == {"row": None, "what": told}
    assert report["rates"]["served_by_solver"] == 1.0
    assert main(["bundle", "smoke", str(bundle.path), "--rows", "100"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("ok                     no\n")
    assert f"\nfailures\n  serves               row null, what {told}\n" in out


@pytest.mark.parametrize(
    ("nodes", "check", "message"),
    [
        (
            "is_nan = IsNaN(input_0)  clean = Where(is_nan, zero, input_0)"
            + HONEST.replace("input_0", "clean"),
            "nan",
            r"nan row \(.*nan.*\) holds a NaN, and is accepted with another answer",
        ),
        (
            HONEST.replace("numerator =", "own =")
            + "mean = ReduceMean <keepdims=1> (own, rows_axis)  moved = Sub(own, mean)"
            "  is_nan = IsNaN(moved)  numerator = Where(is_nan, own, moved)",
            "neighbours",
            "gives .* alone, .* among other rows",
        ),
        (
            HONEST.replace("denominator =", "own =")
            + "most = ReduceSum <keepdims=0> (own, rows_axis)  all = Mul(most, zero)"
            "  denominator = Add(own, all)",
            "neighbours",
            "random row .* has other masks alone than among other rows",
        ),
        (
            HONEST.replace("numerator =", "own =")
            + "half = Constant <value_float = 0.5> ()  training = Equal(one, one)"
            "  numerator, kept = Dropout(own, half, training)",
            "repeat",
            "random row .* gets another answer the second time",
        ),
    ],
    ids=["swallows NaN", "mean of all rows", "masks of all rows", "left in training"],
)
def test_a_graph_that_breaks_the_contract_is_found(
    graph_bundle: Callable[..., Bundle], nodes: str, check: str, message: str
) -> None:
    report = report_of(graph_bundle(nodes, constants=CONSTANTS))
    failure = report["failures"][check]
    assert pytest.approx(failure["row"]) == int(failure["row"])
    assert_match(message, failure["what"])


def assert_match(pattern: str, text: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)


def test_a_graph_for_two_rows_only_fails_as_a_whole(graph_bundle: Callable[..., Bundle]) -> None:
    nodes = HONEST.replace("numerator =", "own =") + "numerator = Reshape(own, two_by_two)"
    report = report_of(graph_bundle(nodes, constants=CONSTANTS))
    assert list(report["failures"]) == ["run"]
    assert_match("the model failed on", report["failures"]["run"]["what"])
    assert "rates" not in report


def test_a_graph_that_answers_two_rows_whatever_was_asked_fails_as_a_whole(
    graph_bundle: Callable[..., Bundle],
) -> None:
    nodes = "two = Slice(input_0, row_0, row_2, rows_axis)" + HONEST.replace("input_0", "two")
    report = report_of(graph_bundle(nodes, constants=CONSTANTS))
    assert list(report["failures"]) == ["run"]
    assert_match("the model answered 125 rows with", report["failures"]["run"]["what"])


def test_an_answer_of_another_shape_the_second_time_is_found(trial: Trial) -> None:
    assert CHECKS["repeat"](trial) is None
    fewer = replace(trial.answer, gap_mask=trial.answer.gap_mask[:-1])
    found = CHECKS["repeat"](replace(trial, answer=fewer))
    assert found is not None
    assert found[1].startswith("gives [(45, 2), (45,), (45,)], before [(45, 2), (45,), (44,)]")


def test_a_graph_that_can_not_answer_no_rows_fails(graph_bundle: Callable[..., Bundle]) -> None:
    nodes = HONEST.replace("numerator =", "own =") + (
        "first = Gather <axis=0> (own, row_0)  nothing = Mul(first, zero)"
        "  numerator = Add(own, nothing)"
    )
    report = report_of(graph_bundle(nodes, constants=CONSTANTS))
    assert "empty" in report["failures"]
    assert_match("the model failed on 0 rows", report["failures"]["empty"]["what"])


def spoiled(trial: Trial, row: int, **fields: Any) -> Trial:
    """The trial with entries of one row of its answer replaced."""
    changed = {}
    for name, value in fields.items():
        changed[name] = getattr(trial.answer, name).copy()
        changed[name][row] = value
    return replace(trial, answer=replace(trial.answer, **changed))


@pytest.mark.parametrize("value", [0.5, np.inf])
def test_a_value_where_there_is_none_is_found(trial: Trial, value: float) -> None:
    row = int(np.argmax(trial.kinds == "singular"))
    assert trial.answer.bottom_mask[row]
    assert CHECKS["finite"](trial) is None
    assert CHECKS["finite"](spoiled(trial, row, decoded=value)) == (
        row,
        "has a value where it is bottom, or none where it is not",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_value_where_there_is_one_is_found(trial: Trial, value: float) -> None:
    found = CHECKS["finite"](spoiled(trial, 3, decoded=[0.0, value]))
    assert found is not None
    assert found[0] == 3


def test_masks_that_are_none_are_found(trial: Trial) -> None:
    assert CHECKS["masks"](trial) is None
    both = spoiled(trial, 2, bottom_mask=True, gap_mask=True)
    assert CHECKS["masks"](both) == (2, "is bottom and gap at once")
    gap = trial.answer.gap_mask
    for wrong, message in (
        (gap.astype(np.uint8), "the masks are bool and uint8"),
        (gap[:-1], "masks of shapes"),
        (gap[:, None], "masks of shapes"),
    ):
        found = CHECKS["masks"](replace(trial, answer=replace(trial.answer, gap_mask=wrong)))
        assert found is not None
        assert found[1].startswith(message)


def test_a_nan_that_is_accepted_is_found(trial: Trial) -> None:
    row = int(np.argmax(trial.kinds == "nan"))
    assert CHECKS["nan"](trial) is None
    found = CHECKS["nan"](spoiled(trial, row, bottom_mask=False, decoded=9.0))
    assert found is not None
    assert found[0] == row


def test_the_last_bits_may_depend_on_the_neighbours_and_no_more(trial: Trial) -> None:
    value = trial.answer.decoded[5]
    assert CHECKS["neighbours"](spoiled(trial, 5, decoded=value * (1 + 1e-6))) is None
    found = CHECKS["neighbours"](spoiled(trial, 5, decoded=value + 0.1))
    assert found is not None
    assert found[0] == 5
    assert "alone" in found[1]
    found = CHECKS["neighbours"](spoiled(trial, 5, gap_mask=True))
    assert found == (5, "has other masks alone than among other rows")


@pytest.mark.parametrize(("share", "found"), [(0.9, False), (1.1, True)])
def test_values_may_differ_as_much_more_as_q_is_below_one(
    trial: Trial, share: float, found: bool
) -> None:
    q_abs, value = trial.answer.q_abs, trial.answer.decoded[5]
    assert q_abs is not None
    assert np.abs(value).max() < 0.9
    # the shipped arm reaches |Q| of 0.8 at most
    moved = spoiled(trial, 5, decoded=value + share * TOLERANCE / q_abs[5])
    assert (CHECKS["neighbours"](moved) is not None) is found


def test_a_mask_may_depend_on_the_neighbours_where_q_is_a_threshold(
    exact_bundle: Callable[..., Bundle], trial: Trial
) -> None:
    # |Q| of row 5 as the only threshold
    q_abs = trial.answer.q_abs
    assert q_abs is not None
    at_it = trial_of(exact_bundle(tau_infer=float(q_abs[5]), tau_train=None))
    assert at_it.rows[5].tolist() == trial.rows[5].tolist()
    assert CHECKS["neighbours"](at_it) is None
    flipped = spoiled(at_it, 5, bottom_mask=True, decoded=np.nan)
    assert CHECKS["neighbours"](flipped) is None


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        ("nan", "source", Source.MODEL, "is served, though it is not finite or leaves the limits"),
        ("infinite", "source", Source.ANALYTIC, "is served, though"),
        ("random", "resolved", 7.0, "is served, though"),
        ("random", "resolved", np.nan, "is served, though"),
        ("random", "in", 0.5, "the rows of the table are not the rows that were asked"),
    ],
)
def test_a_row_that_may_not_be_served_is_found(
    trial: Trial, kind: str, field: str, value: float, message: str
) -> None:
    assert trial.table is not None
    assert CHECKS["verified"](trial) is None
    rows = trial.table.rows.copy()
    rows[field][int(np.argmax(trial.kinds == kind))] = value
    found = CHECKS["verified"](replace(trial, table=ResultTable(trial.table.layout, rows)))
    assert found is not None
    assert found[1].startswith(message)


def test_a_row_that_is_not_finite_is_not_served_with_whatever_answer(trial: Trial) -> None:
    # with a NaN in dy, the joints have somewhere to go
    row = int(np.flatnonzero(trial.kinds == "nan")[3])
    assert trial.table is not None
    rows = trial.table.rows.copy()
    rows["source"][row], rows["resolved"][row] = Source.ANALYTIC, 0.0
    found = CHECKS["verified"](replace(trial, table=ResultTable(trial.table.layout, rows)))
    assert found is not None
    assert found[0] == row


def test_no_rows_with_another_width_than_rows_are_found(trial: Trial) -> None:
    assert CHECKS["empty"](trial) is None
    narrow = replace(trial.answer, decoded=trial.answer.decoded[:, :1])
    found = CHECKS["empty"](replace(trial, answer=narrow))
    assert found is not None
    assert found[1].startswith("0 rows give [(0, 2), (0,), (0,)], expected [(0, 1)")


def test_rows_that_are_missing_are_found(trial: Trial) -> None:
    assert trial.table is not None
    fewer = ResultTable(trial.table.layout, trial.table.rows[:-1])
    assert CHECKS["verified"](replace(trial, table=fewer)) is not None
