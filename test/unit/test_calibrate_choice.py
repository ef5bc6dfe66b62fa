"""Thresholds by an objective: what holds for every choice, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.calibration import Calibration, Objective, calibrate, calibration_curves
from zeroproof_ros.calibration.choice import LOCAL_ROWS, MIN_NEAR_ROWS
from zeroproof_ros.calibration.plot import draw_calibration
from zeroproof_ros.contract import strict_inference
from zeroproof_ros.errors import ArrayError, CalibrationError, ConfigError

ANY_COVERAGE = Objective(det_bound=0.1, residual_tolerance=0.05, min_coverage=0.0)
Rows = tuple[Any, Any, Any]


def arm_rows(seed: int, noise: float, scale: float = 1.0, count: int = 2000) -> Rows:
    """|Q|, det J and residuals of a model whose Q is scale * det J with errors."""
    random = np.random.default_rng(seed)
    determinant = np.sin(random.uniform(-np.pi, np.pi, count))
    q_abs = np.abs(scale * (determinant + noise * random.standard_normal(count)))
    residual = np.abs(noise * random.standard_normal(count)) * scale / np.maximum(q_abs, 1e-12)
    return q_abs, determinant, residual


rows = st.builds(
    arm_rows,
    st.integers(0, 1000),
    st.sampled_from([0.0, 1e-3, 1e-2]),
    st.sampled_from([1.0, 1e-4, 50.0]),
)
bounds = st.floats(0.08, 0.3)


def bottom(q_abs: Any, calibration: Calibration) -> Any:
    return strict_inference(np.zeros(len(q_abs)), q_abs, calibration.config).bottom_mask


@given(rows, bounds, st.sampled_from([0.0, 0.01, 0.5]))
def test_no_near_row_is_accepted_and_any_smaller_threshold_accepts_one(
    data: Rows, bound: float, margin: float
) -> None:
    q_abs, determinant, _ = data
    objective = replace(ANY_COVERAGE, det_bound=bound, margin=margin)
    chosen = calibrate(*data, objective)
    near = np.abs(determinant) < bound
    assert bottom(q_abs, chosen)[near].all()
    assert chosen.near_rows == near.sum()
    largest = q_abs[near].max()
    assert chosen.tau_infer == pytest.approx(largest * (1 + margin), rel=1e-12)
    if not margin:
        assert chosen.tau_infer == np.nextafter(largest, np.inf)


@given(rows, bounds, bounds, st.sampled_from([0.0, 0.05]))
def test_a_larger_bound_gives_no_smaller_threshold_and_no_more_coverage(
    data: Rows, one: float, other: float, margin: float
) -> None:
    low, high = (
        calibrate(*data, replace(ANY_COVERAGE, det_bound=bound, margin=margin))
        for bound in sorted((one, other))
    )
    assert low.tau_infer <= high.tau_infer
    assert low.tau_train <= high.tau_train
    assert low.coverage >= high.coverage


@given(rows, st.permutations(range(12)))
def test_the_order_of_the_rows_means_nothing(data: Rows, order: list[int]) -> None:
    def shuffled(array: Any) -> Any:
        return np.concatenate([np.array_split(array, len(order))[i] for i in order])

    q_abs, determinant, residual = map(shuffled, data)
    assert calibrate(q_abs, determinant, residual, ANY_COVERAGE) == calibrate(*data, ANY_COVERAGE)


def test_the_order_of_rows_with_the_same_denominator_means_nothing() -> None:
    def chosen(wrong: Any) -> Calibration:
        q_abs, determinant, residual = ladder()
        q_abs[100:500] = 0.2
        residual[100:500][wrong] = 1.0
        return calibrate(q_abs, determinant, residual, LADDER)

    together = chosen(slice(0, 20))
    assert together == chosen(slice(None, None, 20)) == chosen(slice(380, 400))
    assert together.tau_train == np.nextafter(0.2, np.inf)


@given(rows, st.sampled_from([0.5, 3.0, 1024.0]))
def test_the_unit_of_q_means_nothing(data: Rows, unit: float) -> None:
    q_abs, determinant, residual = data
    chosen = calibrate(*data, ANY_COVERAGE)
    scaled = calibrate(q_abs * unit, determinant, residual, ANY_COVERAGE)
    assert scaled.tau_infer == pytest.approx(unit * chosen.tau_infer)
    assert scaled.coverage == pytest.approx(chosen.coverage, abs=1e-3)


@given(rows, st.sampled_from([0.04, 0.1]), st.sampled_from([0.9, 0.95]))
def test_from_tau_train_on_neighbours_keep_the_tolerance_and_below_they_do_not(
    data: Rows, tolerance: float, quantile: float
) -> None:
    q_abs, _, residual = data
    objective = replace(
        ANY_COVERAGE, residual_tolerance=tolerance, residual_quantile=quantile, margin=0.0
    )
    chosen = calibrate(*data, objective)

    def worst(threshold: float) -> float:
        """The smallest share of rows within the tolerance, over all neighbourhoods."""
        order = np.lexsort((residual, q_abs))
        good = (residual[order] <= tolerance)[q_abs[order] >= threshold]
        return min(
            good[i : i + LOCAL_ROWS].mean() for i in range(max(1, len(good) - LOCAL_ROWS + 1))
        )

    assert worst(chosen.tau_train) >= quantile - 1e-9
    if chosen.tau_train > chosen.tau_infer:
        assert worst(np.nextafter(chosen.tau_train, 0.0)) < quantile
    covered = q_abs >= chosen.tau_train
    assert chosen.beyond_tolerance == pytest.approx((residual[covered] > tolerance).mean())


@given(rows)
def test_the_rates_add_up(data: Rows) -> None:
    q_abs, _, _ = data
    chosen = calibrate(*data, ANY_COVERAGE)
    assert chosen.bottom_rate + chosen.gap_rate + chosen.coverage == pytest.approx(1.0)
    assert chosen.bottom_rate == pytest.approx((q_abs < chosen.tau_infer).mean())
    assert chosen.coverage == pytest.approx((q_abs >= chosen.tau_train).mean())


def ladder(near: int = 100, others: int = 900) -> Rows:
    """Q = det J; near rows at 0.001, 0.002, ... and the others from 0.11 on; exact answers."""
    determinant = np.concatenate([np.arange(1, near + 1) / 1000, np.linspace(0.11, 1.0, others)])
    return determinant.copy(), determinant, np.zeros(near + others)


LADDER = Objective(0.1, 0.05, margin=0.25, min_coverage=0.5)


def test_the_figures_of_a_choice_that_can_be_made_by_hand() -> None:
    # |det J| equal to the bound is not under it, so 99 rows are near
    chosen = calibrate(*ladder(), LADDER)
    assert chosen.near_rows == 99
    assert chosen.near_q_abs == chosen.near_determinant == 0.099
    assert chosen.tau_infer == chosen.tau_train == pytest.approx(0.12375)
    assert chosen.next_near_row == 0.01
    assert chosen.near_share_95 == pytest.approx(1 - 0.05 ** (1 / 99))
    assert chosen.near_share_95 == pytest.approx(3 / 99, rel=0.02)
    assert chosen.beyond_tolerance == chosen.gap_rate == 0.0
    assert chosen.config.tau_infer == chosen.tau_infer


def test_the_sign_of_the_determinant_means_nothing() -> None:
    q_abs, determinant, residual = ladder()
    assert calibrate(q_abs, -determinant, residual, LADDER) == calibrate(*ladder(), LADDER)


def test_the_gap_ends_where_ten_rows_of_two_hundred_are_left() -> None:
    q_abs, determinant, residual = ladder()
    residual[100:140] = np.inf
    chosen = calibrate(q_abs, determinant, residual, replace(LADDER, margin=0.0))
    # rows 100 to 139 are wrong; from row 130 on there are no more than 10 of them
    assert chosen.tau_train == np.nextafter(q_abs[129], np.inf)
    assert chosen.beyond_tolerance == pytest.approx(10 / 870)


def test_it_is_written_as_json() -> None:
    chosen = calibrate(*ladder(), LADDER)
    told = json.loads(json.dumps(asdict(chosen), allow_nan=False))
    assert told["objective"]["det_bound"] == 0.1
    assert told["near_rows"] == 99


def test_the_curves_show_the_choice() -> None:
    q_abs, determinant, residual = ladder()
    residual[100:140] = 1.0
    chosen = calibrate(q_abs, determinant, residual, LADDER)
    curves = calibration_curves(q_abs, determinant, chosen)
    assert curves == calibration_curves(q_abs, -determinant, chosen)
    at = {tau: i for i, tau in enumerate(curves["taus"])}
    assert curves["fp_cens"][at[chosen.tau_infer]] == 0.0
    assert curves["bottom_rate"][at[chosen.tau_infer]] == chosen.bottom_rate
    assert curves["bottom_rate"][at[chosen.tau_train]] == pytest.approx(1 - chosen.coverage)
    assert curves["fp_cens"][0] > 0.8


def test_the_picture_is_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, which draws the picture")
    q_abs, determinant, residual = ladder()
    residual[100:140] = 1.0
    chosen = calibrate(q_abs, determinant, residual, LADDER)
    curves = calibration_curves(q_abs, determinant, chosen)
    for name in ("one.png", "two.png"):
        draw_calibration(curves, chosen, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_fifty_nine_near_rows_are_the_first_that_say_five_per_cent() -> None:
    assert MIN_NEAR_ROWS == 59
    calibrate(*ladder(near=60), replace(LADDER, det_bound=0.06))
    with pytest.raises(CalibrationError, match=r"58 rows have .* expected at least 59") as caught:
        calibrate(*ladder(near=58), LADDER)
    assert (caught.value.found, caught.value.expected) == (58, 59)
    with pytest.raises(CalibrationError, match="0 rows have"):
        calibrate(*ladder(near=0), LADDER)


def test_near_rows_that_end_far_below_the_bound_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"largest has 0.089, .* these say nothing of \|Q\|"):
        calibrate(*ladder(near=89), LADDER)
    assert calibrate(*ladder(near=91), LADDER).near_determinant == 0.091


def test_a_denominator_that_is_zero_for_all_near_rows_is_refused() -> None:
    q_abs, determinant, residual = ladder()
    q_abs[:99] = 0.0
    with pytest.raises(CalibrationError, match="exactly 0 for every near row"):
        calibrate(q_abs, determinant, residual, LADDER)


@pytest.mark.parametrize("separates", [True, False])
def test_a_denominator_that_does_not_separate_is_refused_with_figures(separates: bool) -> None:
    q_abs, determinant, residual = ladder()
    if not separates:
        # as a denominator that can not vanish: all rows within 1.1 to 1.6
        q_abs = np.random.default_rng(0).permutation(np.linspace(1.1, 1.6, len(q_abs)))
    objective = replace(LADDER, margin=0.0, min_coverage=0.89)
    if separates:
        assert calibrate(q_abs, determinant, residual, objective).coverage >= 0.89
        return
    with pytest.raises(CalibrationError, match="(coverage would be 0|of 1000 rows have .Q. >=)"):
        calibrate(q_abs, determinant, residual, objective)


def test_too_little_coverage_is_refused_with_figures() -> None:
    message = r"coverage would be 0\.8860 \(bottom 0\.1140, gap 0\.0000\) at tau_infer 0\.12375"
    with pytest.raises(CalibrationError, match=message) as caught:
        calibrate(*ladder(), replace(LADDER, min_coverage=0.95))
    assert caught.value.found == pytest.approx(0.886)
    assert caught.value.expected == 0.95


def test_a_model_that_is_wrong_everywhere_is_refused() -> None:
    q_abs, determinant, _ = ladder()
    with pytest.raises(CalibrationError, match="200 have a residual beyond 0.05, expected at most"):
        calibrate(q_abs, determinant, np.ones(1000), LADDER)


@pytest.mark.parametrize(
    ("which", "value", "name"),
    [
        (0, np.nan, r"\|Q\|"),
        (0, np.inf, r"\|Q\|"),
        (0, -1.0, r"\|Q\|"),
        (1, np.nan, "det J"),
        (1, np.inf, "det J"),
        (2, np.nan, "residual"),
        (2, -1.0, "residual"),
    ],
)
def test_numbers_that_are_none_are_refused(which: int, value: float, name: str) -> None:
    data = ladder()
    data[which][[5, 7]] = value
    with pytest.raises(CalibrationError, match=f"{name} of 2 of 1000 rows .* first in row 5"):
        calibrate(*data, LADDER)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_other_arrays_are_refused(which: int) -> None:
    for wrong in (np.ones((1000, 1)), np.ones(999), np.ones(1000, dtype=np.float32)):
        data = [*ladder()]
        data[which] = wrong
        with pytest.raises(ArrayError, match="expected one float64 for each of"):
            calibrate(*data, LADDER)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"det_bound": 0.0}, "det_bound is 0.0, expected a finite number > 0"),
        ({"det_bound": np.inf}, "det_bound is inf"),
        ({"residual_tolerance": np.nan}, "residual_tolerance is nan"),
        ({"residual_tolerance": True}, "residual_tolerance is True"),
        ({"margin": -0.1}, "margin is -0.1, expected a finite number >= 0"),
        ({"residual_quantile": 0.0}, "residual_quantile is 0.0, expected .* > 0 and <= 1"),
        ({"residual_quantile": 1.1}, "residual_quantile is 1.1"),
        ({"min_coverage": 1.1}, "min_coverage is 1.1, expected .* >= 0 and <= 1"),
        ({"min_coverage": "1"}, "min_coverage is '1'"),
    ],
)
def test_objectives_that_are_none_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(LADDER, **change)
