"""Figures of an evaluation, and the limits that a team sets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import BOTTOM, FAR, GAP, GOOD, START, target, write_bag

from zeroproof_ros.bags import Evaluation, document, evaluate
from zeroproof_ros.bags.answering import ORIGIN
from zeroproof_ros.bags.figures import figures_of
from zeroproof_ros.bags.limits import DEFAULT_LIMITS, judge, read_limits
from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import StrictIK

ROOT = Path(__file__).parents[2]


@pytest.fixture
def evaluation(tmp_path: Path, exact_model: Bundle) -> Evaluation:
    """Six rows: two good, a bottom, a gap, one out of reach, one that is no number."""
    rows = [GOOD, GOOD, BOTTOM, GAP, FAR, (np.nan, 0.0, 0.0, 0.0)]
    messages = [
        target(rows, target_type="point_cloud"),
        target([GOOD], START + 1, "point_cloud", frame="camera"),
    ]
    bag = write_bag(tmp_path / "bag", messages)
    return evaluate([bag], StrictIK(exact_model), tmp_path / "out", Serving())


def test_figures_count_the_rows(evaluation: Evaluation) -> None:
    figures = figures_of(evaluation)
    expected = {
        "messages": 2,
        "messages_refused": 1,
        "rows": 6,
        "coverage": 2 / 6,
        "bottom_rate": 3 / 6,
        "gap_rate": 1 / 6,
        "fault_rate": 1 / 6,
        "reject_rate": 2 / 6,
        "unsafe_accepts": 0,
        "model_rows": 2,
        "solver_rows": 2,
        "source_none": 2 / 6,
        "source_model": 2 / 6,
        "source_analytic": 2 / 6,
        "reason_ok": 2 / 6,
        "reason_bottom": 1 / 6,
        "reason_gap": 1 / 6,
        "reason_bad_input": 1 / 6,
        "reason_fallback_failed": 1 / 6,
        "reason_stale": 0,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert figures["model_residual_max"] <= 1e-6
    assert figures["solver_residual_max"] <= 0.9


def test_a_served_row_that_misses_is_an_unsafe_accept(evaluation: Evaluation) -> None:
    evaluation.rows["residual"][0] = 0.2
    evaluation.rows["resolved"][1] = np.nan
    assert figures_of(evaluation)["unsafe_accepts"] == 2
    gates = judge(DEFAULT_LIMITS, figures_of(evaluation))
    found = [(gate.name, gate.found, gate.passed) for gate in gates]
    assert found == [("rows", 6, True), ("unsafe_accepts", 2, False)]


def test_without_rows_nothing_is_told_and_no_limit_kept(exact_model: Bundle) -> None:
    ik = StrictIK(exact_model)
    none = np.zeros(0, ik.layout.dtype), np.zeros(0, ORIGIN)
    figures = figures_of(Evaluation(ik, Serving(), (), *none))
    # counts are 0, and a share or a quantile of no rows is nothing
    untold = {name for name, figure in figures.items() if figure is None}
    assert untold >= {"coverage", "bottom_rate", "q_abs_min", "model_residual_p99"}
    assert {figures[name] for name in set(figures) - untold} == {0}
    for name in sorted(untold):
        (gate,) = judge({name: {"min": 0.0}}, figures)
        assert (gate.passed, gate.found) == (False, None)
        assert gate.why == "no row tells it, so it can not be judged"


@pytest.mark.parametrize(
    ("limit", "found", "passed", "expected"),
    [
        ({"max": 0.5}, 0.5, True, "<= 0.5"),
        ({"max": 0.5}, 0.5 + 1e-13, True, "<= 0.5"),  # a rounded quotient
        ({"max": 0.5}, 0.5 + 1e-11, False, "<= 0.5"),
        ({"min": 0.5}, 0.5, True, ">= 0.5"),
        ({"min": 0.5}, 0.5 - 1e-13, True, ">= 0.5"),
        ({"min": 0.5}, 0.5 - 1e-11, False, ">= 0.5"),
        ({"min": 1, "max": 2}, 1, True, ">= 1 and <= 2"),
        ({"min": 1, "max": 2}, 2, True, ">= 1 and <= 2"),
        ({"min": 1, "max": 2}, 0, False, ">= 1 and <= 2"),
        ({"min": 1, "max": 2}, 3, False, ">= 1 and <= 2"),
    ],
)
def test_a_limit_is_kept_at_its_bound(
    limit: dict[str, float], found: float, passed: bool, expected: str
) -> None:
    (gate,) = judge({"rows": limit}, {"rows": found})
    assert (gate.name, gate.expected, gate.passed) == ("rows", expected, passed)
    assert (gate.found, gate.why) == (found, f"rows is {found:g}")


def test_a_limit_of_no_figure_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are limits of cover, gaps, expected some of row"):
        judge({"gaps": {"max": 1}, "cover": {"min": 1}, "rows": {"min": 1}}, {"rows": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not of type 'object'"),
        ("{}", "should be non-empty|does not have enough properties"),
        ("- coverage", "is not of type 'object'"),
        ("coverage: 0.9", "coverage: 0.9 is not of type 'object'"),
        ("coverage: {}", "coverage: "),
        ("coverage: {least: 0.9}", "'least' was unexpected"),
        ("coverage: {min: 0.9, max: null}", "coverage.max: None is not of type 'number'"),
        ("coverage: {min: yes}", "coverage.min: True is not of type 'number'"),
        ("coverage: {min: '0.9'}", "coverage.min: '0.9' is not of type 'number'"),
        ("coverage: {min: .nan}", "coverage has the limits {'min': nan}, expected finite numbers"),
        ("coverage: {max: .inf}", "coverage has the limits {'max': inf}, expected finite numbers"),
        ("coverage: {min: 0.9, max: 0.8}", "with min <= max"),
        ("coverage: {min: 1}\ncoverage: {min: 0}", "key 'coverage' is given twice"),
        ("coverage: {min: 1, min: 0}", "key 'min' is given twice"),
        ("coverage: &a {min: 1}\nrows: *a", "it has an alias"),
        ("coverage: &a {min: 1}\nrows: {<<: *a}", "it has an alias"),
        ("<<: {coverage: {min: 1}}", "key '<<' is given twice or is no text"),
        ("1: {min: 1}", "key '1' is given twice or is no text"),
        ("? [a]\n: {min: 1}", "is given twice or is no text"),
        ("coverage: !!python/object:os.system {min: 1}", "could not determine a constructor"),
        ("coverage: {min: 1", "is not a readable YAML file"),
        ("---\ncoverage: {min: 1}\n---\ncoverage: {min: 0}", "expected a single document"),
        ("# " + "x" * (1 << 14), "expected a few lines"),
    ],
)
def test_a_file_of_limits_that_means_nothing_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_limits(path)
    assert caught.value.path == path


def test_a_file_of_limits_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a readable file"):
        read_limits(tmp_path / "none.yaml")


def test_the_shipped_limits_are_of_figures_that_exist(evaluation: Evaluation) -> None:
    limits = read_limits(ROOT / "config" / "gates.yaml")
    gates = {gate.name: gate.passed for gate in judge(limits, figures_of(evaluation))}
    assert list(gates) == list(limits)
    assert gates["unsafe_accepts"]
    assert not gates["messages_refused"]


def test_a_report_says_what_failed(evaluation: Evaluation) -> None:
    limits: Any = {"coverage": {"min": 0.9}, "rows": {"min": 6}}
    found = document([evaluation], limits, against=None, tolerance=0.0)
    assert found["passed"] is False
    assert [(gate["name"], gate["passed"]) for gate in found["evaluations"][0]["gates"]] == [
        ("coverage", False),
        ("rows", True),
    ]
