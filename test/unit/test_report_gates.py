"""The gates of a report: exact at their limits, and what can not be judged does not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.monitor import Rates, RowCounts
from zeroproof_ros.pipeline import Policy, Source
from zeroproof_ros.report import Gate
from zeroproof_ros.report.gates import model_gate, rate_gates, safety_gate, smoke_gate
from zeroproof_ros.report.splits import Split, answer_splits
from zeroproof_ros.report.validation import drawn_rows

N = 20_000
BOUND = 0.02


def rate_gate(name: str, *, bottom: int = 0, gap: int = 0) -> Gate:
    rates = Rates.of(RowCounts(rows=N, bottom=bottom, gap=gap), 0.0)
    (gate,) = (gate for gate in rate_gates(rates) if gate.name == name)
    return gate


@pytest.mark.parametrize(
    ("name", "at_limit", "beyond"),
    [
        ("coverage", {"bottom": 600, "gap": 400}, {"bottom": 600, "gap": 401}),
        ("coverage", {"bottom": 400, "gap": 600}, {"bottom": 401, "gap": 600}),
        ("coverage", {"bottom": 1000}, {"bottom": 1001}),
        ("gap", {"gap": 1000}, {"gap": 1001}),
        ("bottom", {"bottom": 2000}, {"bottom": 2001}),
    ],
)
def test_a_rate_at_its_limit_passes_and_one_row_more_fails(
    name: str, at_limit: dict[str, int], beyond: dict[str, int]
) -> None:
    assert rate_gate(name, **at_limit).passed
    assert not rate_gate(name, **beyond).passed


def test_the_limits_are_those_of_the_documents() -> None:
    told = {gate.name: gate.expected for gate in rate_gates(None)}
    assert told == {"coverage": ">= 0.95", "gap": "<= 0.05", "bottom": "<= 0.10"}


def test_rates_of_rows_that_mean_nothing_do_not_pass() -> None:
    for gate in rate_gates(None):
        assert (gate.passed, gate.found) == (False, None)
        assert "no deployment block" in gate.why


def test_failed_checks_are_named() -> None:
    assert smoke_gate({}).passed
    gate = smoke_gate({"nan": {"row": 3, "what": "is swallowed"}, "empty": {"what": "raises"}})
    assert (gate.passed, gate.found) == (False, 2)
    assert gate.why == "nan: is swallowed; empty: raises"


@pytest.fixture
def split(exact_model: Bundle) -> Split:
    """Rows of the exact bundle, to be spoilt; all of its gates would pass."""
    return answered(exact_model)


def answered(bundle: Bundle, rows: int = 2000) -> Split:
    return answer_splits(bundle, {"report": drawn_rows(bundle, rows=rows)}, Policy())["report"]


def judged(bundle: Bundle, *splits: Split, det_bound: float = BOUND) -> Gate:
    named = {f"split {i}": split for i, split in enumerate(splits)}
    return safety_gate(named, bundle.deployment, Policy(), det_bound)


def first(split: Split, source: Source) -> int:
    return int(np.flatnonzero(split.rows["source"] == source)[0])


def test_the_exact_bundle_accepts_nothing_unsafe(split: Split, exact_model: Bundle) -> None:
    assert {int(s) for s in split.rows["source"]} >= {Source.MODEL, Source.ANALYTIC}
    gate = judged(exact_model, split)
    assert (gate.passed, gate.found) == (True, 0)


@pytest.mark.parametrize(
    ("source", "tolerance"), [(Source.MODEL, 0.05), (Source.ANALYTIC, 0.9)], ids=str
)
def test_a_residual_above_the_tolerance_of_its_source_is_unsafe(
    split: Split, exact_model: Bundle, source: Source, tolerance: float
) -> None:
    row = first(split, source)
    split.rows["residual"][row] = tolerance
    assert judged(exact_model, split).passed
    for residual in (np.nextafter(tolerance, 1.0), np.inf, np.nan):
        split.rows["residual"][row] = residual
        gate = judged(exact_model, split)
        assert (gate.passed, gate.found) == (False, 1)
        assert gate.why.startswith("1 served with an answer that is not finite or a residual above")


def test_a_residual_of_a_row_nobody_served_is_not(split: Split, exact_model: Bundle) -> None:
    split.rows["residual"][0] = np.inf
    split.rows["source"][0] = Source.NONE
    assert judged(exact_model, split).passed


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_unsafe(
    split: Split, exact_model: Bundle, number: float
) -> None:
    split.rows["resolved"][first(split, Source.MODEL), 1] = number
    assert judged(exact_model, split).found == 1


def test_an_accepted_row_near_a_singularity_is_unsafe_also_in_the_gap(
    split: Split, exact_model: Bundle
) -> None:
    near = split.near(BOUND)
    assert near.any()
    assert split.rows["bottom"][near].all()
    row = int(np.flatnonzero(near)[0])
    split.rows["bottom"][row], split.rows["gap"][row] = 0, 1
    gate = judged(exact_model, split)
    assert (gate.passed, gate.found) == (False, 1)
    assert gate.why.endswith("; 1 accepted with |det J| below 0.02")


def test_a_row_of_which_det_j_is_not_known_is_near(split: Split, exact_model: Bundle) -> None:
    assert split.determinant is not None
    split.determinant[first(split, Source.MODEL)] = np.nan
    assert judged(exact_model, split).found == 1


def test_the_bound_is_compared_as_closely_as_float32_allows(
    split: Split, exact_model: Bundle
) -> None:
    assert split.determinant is not None
    row = first(split, Source.MODEL)
    for determinant, found in ((BOUND, 0), (BOUND - 1e-7, 0), (BOUND - 1e-5, 1)):
        split.determinant[row] = determinant
        assert judged(exact_model, split).found == found


def test_every_split_is_looked_at(split: Split, exact_model: Bundle) -> None:
    spoilt = answered(exact_model, 100)
    spoilt.rows["residual"][first(spoilt, Source.MODEL)] = 1.0
    assert judged(exact_model, spoilt, split).found == 1
    assert judged(exact_model, split, spoilt).found == 1


def test_a_threshold_below_the_bound_is_unsafe(exact_bundle: Callable[..., Bundle]) -> None:
    bundle = exact_bundle(tau_infer=0.005)
    split = answered(bundle)
    assert split.determinant is not None
    between = (split.determinant > 0.005) & (split.determinant < BOUND)
    assert judged(bundle, split).found == np.count_nonzero(between) > 0
    assert judged(bundle, split, det_bound=0.005).passed


def test_joint_positions_have_a_tolerance_in_metres(position_bundle: Bundle) -> None:
    split = answered(position_bundle)
    served = np.flatnonzero(split.rows["source"])
    for row, residual, passed in ((served[0], 1e-3, True), (served[-1], 1.1e-3, False)):
        split.rows["residual"][row] = residual
        assert judged(position_bundle, split, det_bound=1e-9).passed is passed


def test_without_an_arm_nothing_is_safe(split: Split) -> None:
    gate = safety_gate({"report": split}, None, Policy(), None)
    assert (gate.passed, gate.found) == (False, None)


@pytest.mark.parametrize("source", [Source.NONE, Source.ANALYTIC])
def test_a_model_that_serves_nothing_fails_loudly(split: Split, source: Source) -> None:
    assert model_gate(split).passed
    split.rows["source"] = source
    gate: Any = model_gate(Split(split.rows, split.determinant, split.decoded_shape))
    assert (gate.passed, gate.found) == (False, 0)
    assert gate.why.startswith("the model serves none of 2000 rows, 1930 are")


@pytest.mark.parametrize(("share", "passed"), [(0.9, True), (0.899, False)])
def test_a_model_whose_answers_are_mostly_wrong_fails(
    split: Split, share: float, passed: bool
) -> None:
    rows = split.rows
    rows["source"] = Source.ANALYTIC
    covered = np.flatnonzero(~(rows["bottom"] | rows["gap"]).astype(bool))
    rows["source"][covered[: round(share * covered.size)]] = Source.MODEL
    gate = model_gate(Split(rows, split.determinant, split.decoded_shape))
    assert gate.passed is passed
    assert gate.found == pytest.approx(share, abs=1e-3)
