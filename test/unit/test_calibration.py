"""The tau_infer sweep: the same bottoms as the strict decode, in every curve, and valid files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from masked_answers import full

from zeroproof_ros.calibration import tau_infer_sweep_from_q_abs, write_tau_infer_sweep
from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ConfigError, ThresholdError

AsArray = Callable[[Any], Any]
TAUS = [2.0**-6, 0.02, 2.0**-4]
# Old versions of hypothesis take only what float32 holds.
magnitudes = st.sampled_from(
    [0.0, *(float(np.float32(tau)) for tau in TAUS), np.inf, np.nan]
) | st.floats(0, 0.125, width=32)


@st.composite
def held_out(draw: st.DrawFn) -> tuple[Any, Any]:
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    shape = (n, k) if draw(st.booleans()) else (n,)
    mask = draw(st.sampled_from([shape] if len(shape) == 1 else [(n,), (n, 1), (n, k)]))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    return (
        draw(hnp.arrays(dtype, shape, elements=magnitudes)),
        draw(hnp.arrays(np.bool_, mask)),
    )


@given(held_out())
def test_every_curve_counts_the_bottoms_of_the_strict_decode(
    asarray: AsArray, rows: tuple[Any, Any]
) -> None:
    q_abs, is_in_range = rows
    curves = tau_infer_sweep_from_q_abs(asarray(q_abs), is_in_range=asarray(is_in_range), taus=TAUS)
    assert list(curves) == ["taus", "fn_in", "fp_cens", "bottom_rate"]
    assert curves["taus"] == TAUS
    inside = full(is_in_range, q_abs)
    for i, tau in enumerate(TAUS):
        bottom = strict_inference(np.zeros(q_abs.shape), q_abs, InferenceConfig(tau)).bottom_mask
        expected = {
            "fn_in": bottom[inside],
            "fp_cens": ~bottom[~inside],
            "bottom_rate": bottom.ravel(),
        }
        for name, group in expected.items():
            found = curves[name][i]
            assert found == (pytest.approx(group.mean()) if group.size else None)


def test_a_denominator_that_is_not_finite_is_bottom_in_every_curve(asarray: AsArray) -> None:
    curves = tau_infer_sweep_from_q_abs(
        q_abs=asarray([np.nan, 2e-5, 1.0]),
        is_in_range=asarray([False, True, True]),
        taus=[1e-6, 1e-4],
    )
    assert curves["bottom_rate"] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert curves["fp_cens"] == [0.0, 0.0]
    assert curves["fn_in"] == [0.0, 0.5]


def test_equality_is_not_bottom_and_float32_is_compared_unrounded(asarray: AsArray) -> None:
    q_abs = np.array([1e-6], dtype=np.float32)
    curves = tau_infer_sweep_from_q_abs(
        asarray(q_abs), is_in_range=asarray([True]), taus=[float(q_abs[0]), 1e-6]
    )
    # float32 rounds 1e-6 down
    assert curves["bottom_rate"] == [0.0, 1.0]


def test_a_group_without_entries_has_no_share(asarray: AsArray) -> None:
    for inside, name in ((True, "fp_cens"), (False, "fn_in")):
        curves = tau_infer_sweep_from_q_abs(
            asarray([1.0]), is_in_range=asarray([inside]), taus=[0.5, 2.0]
        )
        assert curves[name] == [None, None]


@pytest.mark.parametrize(
    ("taus", "message"),
    [
        ([], "taus are .*, expected at least one, each larger than the one before"),
        ([1e-4, 1e-6], "each larger than the one before"),
        ([1e-6, 1e-6], "each larger than the one before"),
        ([1e-6, np.nan], r"taus\[1\] is nan, expected a finite number > 0"),
        ([1e-6, np.inf], r"taus\[1\] is inf"),
        ([0.0, 1e-6], r"taus\[0\] is 0.0"),
        ([-1e-6], r"taus\[0\] is -1e-06"),
        (["1e-6"], r"taus\[0\] is '1e-6'"),
        ([True], r"taus\[0\] is True"),
    ],
)
def test_thresholds_are_checked(asarray: AsArray, taus: Any, message: str) -> None:
    with pytest.raises(ThresholdError, match=message):
        tau_infer_sweep_from_q_abs(asarray([1.0]), is_in_range=asarray([True]), taus=taus)


@pytest.mark.parametrize(
    ("q_abs", "is_in_range", "message"),
    [
        ([1.0, -1.0], [True, True], "has a negative entry"),
        (np.ones(0), np.ones(0, dtype=bool), "is empty"),
        (np.ones((0, 2)), np.ones(0, dtype=bool), "is empty"),
        ([1, 2], [True, True], "q_abs has dtype"),
        ([True, True], [True, True], "q_abs has dtype"),
        ([1.0, 2.0], [1, 0], "is_in_range has dtype .*, expected bool"),
        (1.0, True, r"q_abs has shape \(\)"),
        ([1.0, 2.0], [[True], [True]], r"is_in_range has shape \(2, 1\), expected \(2,\)"),
        (np.ones((3, 2)), [True, False], r"is_in_range has shape \(2,\)"),
    ],
)
def test_what_are_no_denominators_with_a_mask_is_refused(
    asarray: AsArray, q_abs: Any, is_in_range: Any, message: str
) -> None:
    with pytest.raises(ArrayError, match=message):
        tau_infer_sweep_from_q_abs(asarray(q_abs), is_in_range=asarray(is_in_range), taus=[1e-6])


def test_lists_are_refused(asarray: AsArray) -> None:
    with pytest.raises(ArrayError, match="is_in_range is list, expected arrays"):
        tau_infer_sweep_from_q_abs(asarray([1.0]), is_in_range=[True], taus=[1e-6])


CURVES: dict[str, list[float | None]] = {
    "taus": [1e-6, 1e-4],
    "fn_in": [0.0, 0.25],
    "fp_cens": [None, None],
    "bottom_rate": [0.0, 0.5],
}


def test_the_files_say_what_the_curves_say(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "tau"
    write_tau_infer_sweep(str(folder), CURVES, provenance={"split": "held_out"})
    assert sorted(p.name for p in folder.iterdir()) == [
        "tau_infer_sweep.json",
        "tau_infer_sweep.md",
    ]
    document = json.loads((folder / "tau_infer_sweep.json").read_text("utf-8"))
    assert document == {"curves": CURVES, "provenance": {"split": "held_out"}}
    lines = (folder / "tau_infer_sweep.md").read_text("utf-8").splitlines()
    assert lines[-2:] == [
        "| 1e-06 | 0.000000 | - | 0.000000 |",
        "| 0.0001 | 0.250000 | - | 0.500000 |",
    ]


def test_without_provenance_there_is_none(tmp_path: Path) -> None:
    write_tau_infer_sweep(tmp_path, CURVES)
    assert json.loads((tmp_path / "tau_infer_sweep.json").read_text("utf-8")) == {"curves": CURVES}


@pytest.mark.parametrize(
    ("changes", "provenance", "message"),
    [
        ({"fn_in": [np.nan, 0.0]}, None, "curve fn_in has nan, expected finite numbers, or None"),
        ({"fn_in": [np.inf, 0.0]}, None, "curve fn_in has inf"),
        ({"fn_in": ["0", 0.0]}, None, "curve fn_in has '0'"),
        ({"fn_in": [0.0]}, None, "the curves have the lengths"),
        ({"more": [0.0, 0.0]}, None, "the curves have the lengths"),
        ({}, {"loss": np.nan}, "the sweep can not be written as JSON"),
        ({}, {"path": Path()}, "the sweep can not be written as JSON"),
    ],
)
def test_what_json_does_not_know_is_refused_and_the_old_files_stay(
    tmp_path: Path, changes: dict[str, Any], provenance: Any, message: str
) -> None:
    write_tau_infer_sweep(tmp_path, CURVES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=message):
        write_tau_infer_sweep(tmp_path, {**CURVES, **changes}, provenance=provenance)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_numbers_of_numpy_are_written(tmp_path: Path) -> None:
    curves = {**CURVES, "fn_in": [np.float64(0.5), 1]}
    write_tau_infer_sweep(tmp_path, curves)
    document = json.loads((tmp_path / "tau_infer_sweep.json").read_text("utf-8"))
    assert document["curves"]["fn_in"] == [0.5, 1]


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ConfigError, match="file can not be written"):
        write_tau_infer_sweep(tmp_path / "file", CURVES)
