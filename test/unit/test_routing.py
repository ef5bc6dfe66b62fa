"""Routing to a solver: every row comes back, with a value or marked, whatever the solver does."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from masked_answers import answers, as_shape, full, lost, rows

from zeroproof_ros.contract import BottomProvenance
from zeroproof_ros.errors import ArrayError, ConfigError
from zeroproof_ros.pipeline import RoutedResult, route_to_analytic_solver

AsArray = Callable[[Any], Any]
FINITE, FAULT, SEMANTIC, MIXED = BottomProvenance
# One row for each provenance, and one in the gap.
CODES = [FINITE, FAULT, SEMANTIC, MIXED, FINITE]
GAP = [False, False, False, False, True]


def keys(decoded: Any) -> Any:
    """Inputs that number their rows."""
    return np.arange(len(decoded), dtype=np.float64)[:, None]


class Solver:
    """Answers a row with its number, and remembers what it was asked."""

    def __init__(self, asarray: AsArray, decoded: Any) -> None:
        self._asarray, self._shape = asarray, decoded.shape[1:]
        self.calls: list[list[int]] = []

    def __call__(self, inputs: Any) -> Any:
        numbers = np.asarray(inputs)[:, 0]
        self.calls.append([int(n) for n in numbers])
        spread = np.broadcast_to(
            numbers.reshape(-1, *[1] * len(self._shape)), (len(numbers), *self._shape)
        )
        return self._asarray(spread)


def route(asarray: AsArray, decoded: Any, bottom: Any, solver: Any, **options: Any) -> RoutedResult:
    masks = {
        name: asarray(value) if name.endswith(("_mask", "bottom_provenance")) else value
        for name, value in options.items()
    }
    return route_to_analytic_solver(
        asarray(decoded),
        bottom_mask=asarray(bottom),
        analytic_solver=solver,
        inputs=asarray(keys(decoded)),
        **masks,
    )


def as_numpy(result: RoutedResult) -> tuple[Any, Any, Any, Any]:
    return (
        np.asarray(result.resolved),
        np.asarray(result.route_mask),
        np.asarray(result.failed_mask),
        np.asarray(result.bottom_mask),
    )


@given(answers(), st.booleans())
def test_routed_rows_are_the_solvers_and_the_others_untouched(
    asarray: AsArray, answer: tuple[Any, ...], with_gap: bool
) -> None:
    decoded, bottom, gap = answer
    solver = Solver(asarray, decoded)
    options = {"gap_mask": gap} if with_gap else {}
    found = route(asarray, decoded, bottom, solver, **options)
    resolved, routed, failed, left = as_numpy(found)
    expected = rows(bottom | lost(decoded, bottom))
    if with_gap:
        expected = expected | rows(gap)
    np.testing.assert_array_equal(routed, expected)
    assert solver.calls == ([np.flatnonzero(expected).tolist()] if expected.any() else [])
    answered = np.broadcast_to(
        np.arange(len(decoded)).reshape(-1, *[1] * (decoded.ndim - 1)), decoded.shape
    )
    np.testing.assert_array_equal(resolved, np.where(full(routed, decoded), answered, decoded))
    assert resolved.dtype == decoded.dtype
    assert left.shape == bottom.shape
    assert not failed.any()
    assert not left.any()
    assert found.error is None


def raises(_: Any) -> Any:
    msg = "no branch"
    raise RuntimeError(msg)


# What a solver may do wrong with all of its rows: its answer to M rows, and the text of it.
FAILURES: dict[str, tuple[Callable[[Any, AsArray], Any], str]] = {
    "raises": (lambda n, _: raises(n), "RuntimeError: no branch"),
    "too few rows": (lambda n, a: a(np.ones((n - 1, 2))), "answer has shape"),
    "a column less": (lambda n, a: a(np.ones((n, 1))), "answer has shape"),
    "flat": (lambda n, a: a(np.ones(n * 2)), "answer has shape"),
    "one row for all": (lambda _, a: a(np.ones(2)), "answer has shape"),
    "a number": (lambda _, a: a(1.0), "answer has shape"),
    "integers": (lambda n, a: a(np.ones((n, 2), dtype=int)), "answer has dtype"),
    "truth values": (lambda n, a: a(np.ones((n, 2), dtype=bool)), "answer has dtype"),
    "a list": (lambda n, _: [[1.0, 1.0]] * n, "answer is list"),
    "nothing": (lambda *_: None, "answer is NoneType"),
    "NaN": (lambda n, a: a(np.full((n, 2), np.nan)), "rows are not finite"),
    "out of the dtype": (lambda n, a: a(np.full((n, 2), 1e300)), "rows are not finite"),
}


@pytest.mark.parametrize(("answer", "text"), FAILURES.values(), ids=FAILURES)
def test_a_solver_that_fails_loses_no_row(
    asarray: AsArray, answer: Callable[[Any, AsArray], Any], text: str
) -> None:
    decoded = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    bottom = np.array([True, False, True])
    events: list[dict[str, object]] = []
    found = route(
        asarray,
        decoded,
        bottom,
        lambda inputs: answer(len(inputs), asarray),
        event_logger=events.append,
    )
    resolved, routed, failed, left = as_numpy(found)
    np.testing.assert_array_equal(resolved, [[np.nan, np.nan], [3, 4], [np.nan, np.nan]])
    assert routed.tolist() == failed.tolist() == left.tolist() == [True, False, True]
    assert text in (found.error or "")
    (event,) = events
    assert event["failed_count"] == 2
    assert event["error"] == found.error


@given(answers(), st.data())
def test_single_rows_that_are_not_finite_have_no_value_and_the_rest_have(
    asarray: AsArray, answer: tuple[Any, ...], data: st.DataObject
) -> None:
    decoded, bottom, gap = answer
    solver = Solver(asarray, decoded)

    def solve(inputs: Any) -> Any:
        values = np.asarray(solver(inputs)).copy()
        bad = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=2))
        values.reshape(len(values), -1)[bad, 0] = data.draw(st.sampled_from([np.nan, np.inf]))
        broken.extend(solver.calls[0][i] for i in bad)
        return asarray(values)

    broken: list[int] = []
    found = route(asarray, decoded, bottom, solve, gap_mask=gap)
    resolved, routed, failed, left = as_numpy(found)
    assert sorted(set(broken)) == np.flatnonzero(failed).tolist()
    assert not (failed & ~routed).any()
    np.testing.assert_array_equal(np.isnan(resolved), full(left, decoded))
    np.testing.assert_array_equal(rows(left), failed)
    np.testing.assert_array_equal(left, as_shape(failed, left))
    assert (found.error is None) == (not broken)


def test_arrays_of_another_library_are_no_answer() -> None:
    torch = pytest.importorskip("torch", reason="torch, the other array library of this test")
    yes = np.array([True])
    found = route(np.asarray, np.ones(1), yes, lambda _: torch.ones(1))
    assert found.failed_mask.tolist() == [True]
    assert "expected arrays of one library" in (found.error or "")


def test_the_result_unpacks_to_the_two_of_the_documents_and_is_frozen(asarray: AsArray) -> None:
    found = route(asarray, np.ones(2), np.array([True, False]), raises)
    resolved, route_mask = found
    assert resolved is found.resolved
    assert route_mask is found.route_mask
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.error = None  # type: ignore[misc]


def test_a_solver_may_spoil_what_it_is_given(asarray: AsArray) -> None:
    decoded, inputs = asarray([1.0, 2.0]), asarray([[1.0], [2.0]])
    bottom = asarray([True, False])

    def spoil(rows: Any) -> Any:
        rows[:] = 9.0
        return rows[:, 0]

    resolved, _ = route_to_analytic_solver(decoded, bottom, analytic_solver=spoil, inputs=inputs)
    assert resolved.tolist() == [9.0, 2.0]
    assert decoded.tolist() == [1.0, 2.0]
    assert inputs.tolist() == [[1.0], [2.0]]
    assert bottom.tolist() == [True, False]


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_no_row_is_routed_of_none(asarray: AsArray, shape: tuple[int, ...]) -> None:
    found = route(asarray, np.ones(shape), np.zeros(0, dtype=bool), raises)
    assert found.resolved.shape == shape
    assert found.route_mask.shape == (0,)
    assert found.error is None


def told(representation: str) -> dict[str, Any]:
    codes = np.array(CODES)
    fault, semantic = np.isin(codes, (FAULT, MIXED)), np.isin(codes, (SEMANTIC, MIXED))
    return {
        "codes": {"bottom_provenance": codes.astype(np.uint8)},
        "int64 codes": {"bottom_provenance": codes},
        "both masks": {"fault_mask": fault, "semantic_bottom_mask": semantic},
        "masks per entry": {
            "fault_mask": np.stack([fault, np.zeros_like(fault)], axis=1),
            "semantic_bottom_mask": semantic[:, None],
        },
    }[representation]


CHOICES = [
    choice for size in range(4) for choice in itertools.combinations((FAULT, SEMANTIC, MIXED), size)
]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: " ".join(p.name for p in c) or "none")
@pytest.mark.parametrize(
    "representation", ["codes", "int64 codes", "both masks", "masks per entry"]
)
def test_only_the_chosen_provenance_is_routed_and_the_rest_keeps_no_value(
    asarray: AsArray, representation: str, choice: tuple[BottomProvenance, ...]
) -> None:
    bottom = np.array([code != FINITE for code in CODES])
    solver = Solver(asarray, np.ones((5, 2)))
    found = route(
        asarray,
        np.full((5, 2), 7.0),
        bottom,
        solver,
        gap_mask=np.array(GAP),
        routed_provenance=choice,
        **told(representation),
    )
    resolved, routed, failed, left = as_numpy(found)
    expected = [code in choice or gap for code, gap in zip(CODES, GAP, strict=True)]
    assert routed.tolist() == expected
    assert left.tolist() == [b and not r for b, r in zip(bottom, expected, strict=True)]
    np.testing.assert_array_equal(np.isnan(resolved).all(axis=1), left)
    assert not failed.any()


def test_one_mask_of_provenance_tells_the_other(asarray: AsArray) -> None:
    bottom, fault = np.array([True, True]), np.array([True, False])
    for name, mask in (("fault_mask", fault), ("semantic_bottom_mask", ~fault)):
        found = route(
            asarray,
            np.ones(2),
            bottom,
            Solver(asarray, np.ones(2)),
            routed_provenance=(FAULT,),
            **{name: mask},
        )
        assert found.route_mask.tolist() == [True, False]


def test_a_gap_in_a_row_with_a_bottom_does_not_route_it(asarray: AsArray) -> None:
    bottom = np.array([[True, False]])
    found = route(
        asarray,
        np.ones((1, 2)),
        bottom,
        raises,
        gap_mask=~bottom,
        semantic_bottom_mask=bottom,
        routed_provenance=(FAULT,),
    )
    assert found.route_mask.tolist() == [False]
    np.testing.assert_array_equal(np.asarray(found.resolved), [[np.nan, 1.0]])
    assert found.bottom_mask.tolist() == bottom.tolist()


def test_events_count_each_provenance_and_what_failed(asarray: AsArray) -> None:
    def solve(inputs: Any) -> Any:
        return asarray(np.where(np.asarray(inputs)[:, 0] == FAULT, np.nan, 1.0))

    events: list[dict[str, object]] = []
    found = route(
        asarray,
        np.ones(5),
        np.array([code != FINITE for code in CODES]),
        solve,
        gap_mask=np.array(GAP),
        event_logger=events.append,
        bottom_provenance=np.array(CODES),
    )
    common = {
        "event": "fallback-routing",
        "batch_size": 5,
        "routed_count": 4,
        "routed_rate": 0.8,
        "count": 1,
        "rate": 0.2,
        "error": "1 of 4 rows are not finite",
    }
    assert found.error == common["error"]
    assert events == [
        {**common, "provenance_tag": tag, "failed_count": int(tag == "fault")}
        for tag in ("mixed", "fault", "semantic", "none")
    ]


def test_without_provenance_there_is_one_event_and_without_a_route_none(asarray: AsArray) -> None:
    events: list[dict[str, object]] = []
    solver = Solver(asarray, np.ones(2))
    for bottom in ([True, True], [False, False]):
        route(asarray, np.ones(2), np.array(bottom), solver, event_logger=events.append)
    assert [(event["provenance_tag"], event["count"]) for event in events] == [("none", 2)]


def test_an_event_logger_that_raises_is_logged_and_changes_nothing(
    asarray: AsArray, caplog: pytest.LogCaptureFixture
) -> None:
    solver = Solver(asarray, np.ones(2))
    found = route(asarray, np.ones(2), np.array([True, False]), solver, event_logger=raises)
    assert found.resolved.tolist() == [0.0, 1.0]
    assert found.error is None
    assert "the event logger failed on {'event': 'fallback-routing'" in caplog.text
    assert "no branch" in caplog.text


@pytest.mark.parametrize(
    "inputs", [np.ones((3, 1)), np.ones(1), np.float64(1.0)], ids=["more", "fewer", "none"]
)
def test_inputs_that_are_not_one_per_row_are_refused(asarray: AsArray, inputs: Any) -> None:
    with pytest.raises(ArrayError, match=r"inputs have shape .*, expected 2 rows"):
        route_to_analytic_solver(
            asarray(np.ones(2)),
            asarray([True, False]),
            analytic_solver=raises,
            inputs=asarray(inputs),
        )


def test_lists_of_inputs_are_refused(asarray: AsArray) -> None:
    with pytest.raises(ArrayError, match="inputs is list, expected arrays"):
        route_to_analytic_solver(
            asarray(np.ones(1)), asarray([True]), analytic_solver=raises, inputs=[[1.0]]
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bottom_provenance": [4]}, ArrayError, "has codes outside 0 finite, 1 fault, 2 semantic"),
        ({"bottom_provenance": [-1]}, ArrayError, "has codes outside"),
        ({"bottom_provenance": [1.0]}, ArrayError, "bottom_provenance has dtype"),
        ({"bottom_provenance": [[1, 1]]}, ArrayError, "bottom_provenance has shape"),
        ({"gap_mask": [0]}, ArrayError, "gap has dtype"),
        ({"fault_mask": [[True, True]]}, ArrayError, "fault has shape"),
        ({"bottom_provenance": [1], "fault_mask": [True]}, ConfigError, "told twice"),
        ({"routed_provenance": (FAULT,)}, ConfigError, "but no provenance is told"),
        ({"routed_provenance": (FINITE,)}, ConfigError, "expected some of"),
        ({"routed_provenance": ("fault",)}, ConfigError, "expected some of"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_solver_is_asked(
    asarray: AsArray, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    solver = Solver(asarray, np.ones(1))
    with pytest.raises(error, match=message):
        route(asarray, np.ones(1), np.array([True]), solver, **options)
    assert solver.calls == []
