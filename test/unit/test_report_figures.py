"""The figures of a report are those of its rows, counted in one way, and JSON can hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.errors import ArrayError, ConfigError, ThresholdError
from zeroproof_ros.monitor import Rates, count_rows
from zeroproof_ros.pipeline import Source, StrictIK
from zeroproof_ros.report import ValidationReport, drawn_rows, validation_report
from zeroproof_ros.report.documents import strict_inference_audit

Summary = Any
ROWS = 3000


def summary_of(report: ValidationReport) -> Summary:
    """The summary as a reader of the file gets it."""
    return json.loads(json.dumps(report.summary, allow_nan=False))


@pytest.fixture(scope="module")
def report(exact_model: Bundle) -> ValidationReport:
    return validation_report(exact_model, rows=ROWS, seed=3)


@pytest.fixture(scope="module")
def summary(report: ValidationReport) -> Summary:
    return summary_of(report)


def test_the_rates_are_those_of_the_monitor(exact_model: Bundle, summary: Summary) -> None:
    table = StrictIK(exact_model).solve(drawn_rows(exact_model, rows=ROWS, seed=3))
    rates = Rates.of(count_rows(table.rows), 0.0).to_dict()
    told = summary["splits"]["report"]
    assert told == pytest.approx({name: rates[name] for name in told}, rel=1e-5)
    assert {"rows", "coverage", "q_abs_min"} < set(told)
    assert summary["drawn"] == {"rows": ROWS, "seed": 3}


def test_the_rates_are_those_of_det_j(exact_model: Bundle, summary: Summary) -> None:
    q = drawn_rows(exact_model, rows=ROWS, seed=3)[:, :2]
    determinant = np.abs(0.8 * np.sin(q[:, 1]))
    rates = summary["splits"]["report"]
    assert rates["bottom_rate"] == pytest.approx(np.mean(determinant < 0.02))
    assert rates["coverage"] == pytest.approx(np.mean(determinant >= 0.05))


def test_the_strata_are_the_split_in_parts(summary: Summary) -> None:
    strata, whole = summary["strata"], summary["splits"]["report"]
    assert [s["from"] for s in strata[1:]] == [s["to"] for s in strata[:-1]]
    assert (strata[0]["from"], strata[-1]["to"]) == (0.0, None)
    assert sum(s["rows"] for s in strata) == ROWS
    for rate in ("bottom_rate", "gap_rate", "fallback_rate", "serve_rate"):
        total = sum(s["rows"] * s[rate] for s in strata if s["rows"])
        assert total / ROWS == pytest.approx(whole[rate], abs=1e-6)
    for stratum in strata:
        if stratum["rows"] and (stratum["to"] or 1.0) <= 0.02:
            assert stratum["bottom_rate"] == 1.0


def test_the_bound_is_an_edge_of_the_strata(exact_model: Bundle) -> None:
    found = summary_of(validation_report(exact_model, rows=300, det_bound=0.03))
    assert found["det_bound"] == 0.03
    assert 0.03 in [stratum["from"] for stratum in found["strata"]]


def test_the_residuals_are_quantiles_of_what_each_served(
    exact_model: Bundle, summary: Summary
) -> None:
    table = StrictIK(exact_model).solve(drawn_rows(exact_model, rows=ROWS, seed=3))
    assert summary["residuals"]["unit"] == "1"
    for name, source in (("model", Source.MODEL), ("solver", Source.ANALYTIC)):
        residual, told = table["residual"][table["source"] == source], summary["residuals"][name]
        assert told["rows"] == residual.size > 0
        for level, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            assert told[level] == pytest.approx(np.quantile(residual, q), rel=1e-5)


def test_the_curve_goes_through_the_threshold_of_the_bundle(summary: Summary) -> None:
    curves = summary["calibration"]
    at = curves["taus"].index(0.02)
    assert curves["bottom_rate"][at] == summary["splits"]["report"]["bottom_rate"]
    assert (curves["fn_in"][at], curves["fp_cens"][at]) == (0.0, 0.0)
    assert curves["fp_cens"][at - 1] > 0.0 < curves["fn_in"][at + 1]


def test_seeds_draw_other_rows(exact_model: Bundle, report: ValidationReport) -> None:
    again = validation_report(exact_model, rows=ROWS, seed=3)
    other = validation_report(exact_model, rows=ROWS, seed=4)
    assert again.summary == report.summary
    assert other.summary["splits"] != report.summary["splits"]


def test_the_rows_cover_the_whole_workspace(report: ValidationReport) -> None:
    rows = report.splits["report"].rows
    radius, angle = np.hypot(rows["x"], rows["y"]), np.arctan2(rows["y"], rows["x"])
    assert (radius.min() < 0.25, radius.max() > 1.79) == (True, True)
    assert (np.histogram(angle, 12)[0] > 0).all()


def test_signature_thresholds_and_digests_are_told(exact_model: Bundle, summary: Summary) -> None:
    assert summary["bundle_digest"] == exact_model.digest
    assert [f["sha256"] for f in summary["files"]] == [f.sha256 for f in exact_model.files]
    assert summary["thresholds"] == {"tau_infer": 0.02, "tau_train": 0.05, "in_graph": None}
    assert summary["inputs"] == [{"name": "input_0", "dtype": "float32", "shape": ["batch", 4]}]
    assert [output["name"] for output in summary["outputs"]] == ["numerator", "denominator"]
    assert summary["passed"] is True
    assert summary["omitted"] == {}


def test_named_splits_are_told_apart_and_one_is_judged(exact_model: Bundle) -> None:
    rows = drawn_rows(exact_model, rows=400)
    singular = rows.copy()
    singular[:, 1] = np.resize([0.0, np.pi, -np.pi], len(rows))
    splits = {"singular": singular, "test": rows}
    good = summary_of(validation_report(exact_model, splits, judged="test"))
    assert (good["drawn"], good["judged"], good["passed"]) == (None, "test", True)
    assert good["splits"]["singular"]["bottom_rate"] == 1.0
    bad = validation_report(exact_model, splits, judged="singular")
    failed = {gate["name"] for gate in bad.summary["gates"] if not gate["passed"]}
    assert failed == {"coverage", "bottom", "served_by_model"}


def test_rows_that_are_not_finite_are_counted_and_told_as_null(exact_model: Bundle) -> None:
    rows = drawn_rows(exact_model, rows=200)
    rows[7, 0], rows[8, 3] = np.nan, np.inf
    found = validation_report(exact_model, {"test": rows}, judged="test")
    told = summary_of(found)
    assert told["splits"]["test"]["reject_rate"] == pytest.approx(2 / 200)
    assert told["splits"]["test"]["fault_rate"] == pytest.approx(2 / 200)
    audit = json.loads(json.dumps(strict_inference_audit(found), allow_nan=False))
    assert [row["row"] for row in audit["not_served"]] == [7, 8]
    assert (audit["not_served"][0]["in"][0], audit["not_served"][1]["in"][3]) == (None, None)
    assert audit["splits"][0]["reasons"]["bad_input"] == 2


def test_the_audit_accounts_for_every_row(report: ValidationReport) -> None:
    audit = strict_inference_audit(report)
    (split,) = audit["splits"]
    assert (split["sample_start"], split["sample_stop"], audit["n_eval"]) == (0, ROWS, ROWS)
    for counts in ("sample_provenance_breakdown", "sources", "reasons"):
        assert sum(split[counts].values()) == ROWS
    assert split["sample_invalid_count"] == split["reasons"]["bottom"]
    assert split["sample_provenance_breakdown"]["semantic"] == split["sample_invalid_count"]
    worst = [row["residual"] for row in audit["worst_served"]["model"]]
    assert worst[0] == report.summary["residuals"]["model"]["max"]
    assert worst == sorted(worst, reverse=True)
    table = report.splits["report"].rows
    for row in audit["worst_served"]["solver"]:
        assert table["source"][row["row"]] == Source.ANALYTIC
        assert row["in"] == pytest.approx(table["in"][row["row"]].tolist(), rel=1e-5)


def test_a_strict_bundle_has_no_curve_and_says_why(
    exact_bundle: Callable[..., Bundle], report: ValidationReport
) -> None:
    found = validation_report(exact_bundle(kind=GraphKind.STRICT), rows=ROWS, seed=3)
    assert found.passed
    assert found.summary["calibration"] is None
    assert found.summary["omitted"] == {
        "calibration": "the graph decodes by itself and keeps |Q| to itself"
    }
    mine, other = (dict(r.summary["splits"]["report"]) for r in (found, report))
    assert (mine.pop("q_abs_min"), other.pop("q_abs_min") > 0) == (None, True)
    assert mine == other


def test_without_an_arm_decoded_rows_are_told_but_pass_nothing(edit: Callable[..., Path]) -> None:
    found = validation_report(load_bundle(edit(deployment=...)), rows=300)
    told = summary_of(found)
    assert set(told["omitted"]) == {"residuals", "strata", "heat maps", "calibration"}
    rates = told["splits"]["report"]
    assert rates["bottom_rate"] + rates["gap_rate"] + rates["coverage"] == pytest.approx(1.0)
    assert [rates[name] for name in ("fallback_rate", "reject_rate", "serve_rate")] == [None] * 3
    assert {g["name"] for g in told["gates"] if g["passed"]} == {"smoke_test"}
    assert not found.passed


def test_rows_given_without_an_arm_are_judged_by_their_masks(edit: Callable[..., Path]) -> None:
    bundle = load_bundle(edit(deployment=...))
    rows = np.array([[0.0, 1.0, 0.1, 0.1], [0.0, 0.0, 0.1, 0.1]]).repeat([99, 1], axis=0)
    found = validation_report(bundle, {"mine": rows}, judged="mine")
    gates = {gate["name"]: gate for gate in found.summary["gates"]}
    assert (gates["coverage"]["found"], gates["coverage"]["passed"]) == (0.99, True)
    assert not gates["no_unsafe_accept"]["passed"]
    audit = strict_inference_audit(found)
    assert (audit["worst_served"], audit["not_served"]) == ({"model": [], "solver": []}, [])


def test_joint_positions_have_residuals_in_metres(position_bundle: Bundle) -> None:
    found = validation_report(position_bundle, rows=300).summary
    assert found["residuals"]["unit"] == "m"
    assert found["residuals"]["model"]["max"] <= found["policy"]["position_tolerance"]


def test_a_model_that_raises_is_a_failed_bundle(graph_bundle: Callable[..., Bundle]) -> None:
    """It answers the two rows it is tried with, and no other number."""
    bundle = graph_bundle(
        "fixed = Reshape(input_0, shape)  numerator, rest = Split <axis=1> (fixed, widths)"
        "  squares = Mul(rest, rest)  denominator = ReduceSum <keepdims=0> (squares, axis)",
        constants="int64[2] shape = {2, 4}, int64[2] widths = {2, 2}, int64[1] axis = {1}",
    )
    found = validation_report(bundle, rows=300)
    assert found.summary["splits"]["report"]["reject_rate"] == 1.0
    assert found.summary["residuals"]["model"] == {
        "rows": 0,
        **dict.fromkeys(("p50", "p95", "p99", "max")),
    }
    assert not found.passed
    assert dict(found.median_seconds) == {}


def test_what_can_not_be_measured_is_refused(exact_model: Bundle) -> None:
    rows = drawn_rows(exact_model, rows=5)
    with pytest.raises(ConfigError, match="the judged split is 'test', expected one of 'mine'"):
        validation_report(exact_model, {"mine": rows}, judged="test")
    with pytest.raises(ArrayError, match="split 'mine' has no rows"):
        validation_report(exact_model, {"mine": rows[:0]}, judged="mine")
    with pytest.raises(ArrayError, match=r"shape \(5, 3\) .* expected \(N, 4\)"):
        validation_report(exact_model, {"mine": rows[:, :3]}, judged="mine")
    with pytest.raises(ConfigError, match="the judged split is 'report'"):
        validation_report(exact_model, {})
    for bound in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ThresholdError, match="det_bound"):
            validation_report(exact_model, det_bound=bound)
