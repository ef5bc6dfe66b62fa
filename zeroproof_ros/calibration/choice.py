"""Choosing tau_infer and tau_train by an objective that is stated.

Of held-out rows, those with |det J| under a bound are called near. Then

    tau_infer   the smallest threshold at which every near row is bottom, that is the largest |Q|
                of a near row, times 1 + margin; smaller is more coverage, so it is also the one
                of largest coverage
    tau_train   the smallest threshold, not below tau_infer, from which on, of any LOCAL_ROWS rows
                that follow each other in the order of |Q|, a stated share has a residual within
                a stated tolerance

What n near rows without an exception say of the next: if the next is drawn as they were, it
exceeds the largest |Q| of all n with probability 1 / (n + 1). And with 95 % confidence the share
of such rows is at most 1 - 0.05^(1/n), about 3 / n (the rule of three: J. A. Hanley,
A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249(13), 1983). Below 59
near rows that is more than 5 % (S. S. Wilks, "Determination of sample sizes for setting tolerance
limits", Annals of Mathematical Statistics 12(1), 1941), so such rows calibrate nothing. Neither
figure counts the margin, which lies beyond all that was seen: how far the next row may lie beyond
the largest so far, no statistics says without knowing how |Q| is distributed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.calibration.sweep import Curve, tau_infer_sweep_from_q_abs
from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.contract.coverage import mask_rate
from zeroproof_ros.errors import ArrayError, CalibrationError, ConfigError
from zeroproof_ros.kinematics import Arm

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
# With fewer near rows their share that is accepted may, at this confidence, be above 5 %.
MIN_NEAR_ROWS = math.ceil(math.log(1 - CONFIDENCE) / math.log(0.95))
# Near rows that all lie deep inside the bound say nothing of |Q| at the bound.
NEAR_EDGE = 0.9
# As many rows tell a share of some per cent, and take a small part of the range of |Q|.
LOCAL_ROWS = 200
# Of the curves.
SWEPT = 60
# Where no bound on |det J| is stated, it is the largest of the arm divided by this.
DET_RANGE = 40
# The smallest number that is not 0.
ABOVE_0 = math.ulp(0.0)


def default_det_bound(arm: Arm) -> float:
    """|det J| [m^n] below which no row may be accepted, where nothing else is stated."""
    return arm.max_determinant / DET_RANGE


@dataclass(frozen=True)
class Objective:
    """What the thresholds shall achieve on held-out rows.

    Args:
        det_bound: no row with |det J| under this may be accepted [m^n], > 0.
        residual_tolerance: largest residual of an answer, in the unit of the residuals, > 0.
        margin: how far tau_infer lies above the largest |Q| of a near row, as a share of it, >= 0.
        residual_quantile: the share of rows, of nearly the same |Q|, that keep the tolerance from
            tau_train on, > 0 and <= 1.
        min_coverage: the smallest share of rows that are neither bottom nor gap, 0 to 1.

    Raises:
        ConfigError: a value outside these ranges.
    """

    det_bound: float
    residual_tolerance: float
    margin: float = 0.05
    residual_quantile: float = 0.95
    min_coverage: float = 0.95

    def __post_init__(self) -> None:
        for name, lower, upper in (
            ("det_bound", ABOVE_0, math.inf),
            ("residual_tolerance", ABOVE_0, math.inf),
            ("margin", 0.0, math.inf),
            ("residual_quantile", ABOVE_0, 1.0),
            ("min_coverage", 0.0, 1.0),
        ):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and lower <= value <= upper and math.isfinite(value)):
                rule = f"a finite number {'>' if lower else '>='} 0"
                rule += " and <= 1" if upper == 1 else ""
                raise ConfigError(
                    f"{name} is {value!r}, expected {rule}", found=value, expected=rule
                )


@dataclass(frozen=True)
class Calibration:
    """The chosen thresholds and all it takes to audit them; `asdict` of it is JSON.

    Attributes:
        objective: what they were chosen by.
        rows: how many rows they were chosen on.
        near_rows: how many of them have |det J| under the bound.
        near_determinant: the largest |det J| of a near row [m^n].
        near_q_abs: the largest |Q| of a near row.
        tau_infer, tau_train: the thresholds, in the unit of Q; equal where there is no gap.
        next_near_row: the probability that one more near row has a larger |Q| than `near_q_abs`.
        near_share_95: the largest share of such rows that 95 % confidence leaves open.
        bottom_rate, gap_rate, coverage: shares of the rows; they add up to 1.
        beyond_tolerance: the share of the covered rows whose residual is beyond the tolerance.
    """

    objective: Objective
    rows: int
    near_rows: int
    near_determinant: float
    near_q_abs: float
    tau_infer: float
    tau_train: float
    next_near_row: float
    near_share_95: float
    bottom_rate: float
    gap_rate: float
    coverage: float
    beyond_tolerance: float

    @property
    def config(self) -> InferenceConfig:
        """The thresholds as a decode takes them."""
        return InferenceConfig(self.tau_infer, self.tau_train)


def calibrate(
    q_abs: Floats, determinant: Floats, residual: Floats, objective: Objective
) -> Calibration:
    """Choose tau_infer and tau_train; see this module for how.

    Args:
        q_abs: (N,) |Q| of held-out rows, drawn like those that will come.
        determinant: (N,) det J of the same rows [m^n].
        residual: (N,) of the model's answers, decoded without regard to any threshold; inf where
            there is none, as at Q = 0.
        objective: what is asked for.

    Raises:
        ArrayError: other shapes or dtypes.
        CalibrationError: a number that is not finite, too few near rows or none close to the
            bound, no threshold that does what is asked, or one that leaves too little coverage.
    """
    _check_rows(q_abs, determinant, residual)
    size = np.abs(determinant)
    near = size < objective.det_bound
    near_rows = int(np.count_nonzero(near))
    _check_near(near_rows, size[near].max(initial=0.0), objective)
    largest = float(q_abs[near].max())
    tau_infer = _tau_infer(largest, objective)
    tau_train = _tau_train(q_abs, residual, tau_infer, objective)
    masks = strict_inference(np.zeros(len(q_abs)), q_abs, InferenceConfig(tau_infer, tau_train))
    covered = ~(masks.bottom_mask | masks.gap_mask)
    calibration = Calibration(
        objective=objective,
        rows=len(q_abs),
        near_rows=near_rows,
        near_determinant=float(size[near].max()),
        near_q_abs=largest,
        tau_infer=tau_infer,
        tau_train=tau_train,
        next_near_row=1 / (near_rows + 1),
        near_share_95=1 - (1 - CONFIDENCE) ** (1 / near_rows),
        bottom_rate=mask_rate(masks.bottom_mask),
        gap_rate=mask_rate(masks.gap_mask),
        coverage=mask_rate(covered),
        beyond_tolerance=mask_rate(residual[covered] > objective.residual_tolerance),
    )
    _check_coverage(calibration)
    return calibration


def calibration_curves(
    q_abs: Floats, determinant: Floats, calibration: Calibration
) -> Mapping[str, Curve]:
    """The sweep around a choice: near rows are the censored ones, the others are in range.

    Args:
        q_abs, determinant: (N,), what `calibrate` was given.
        calibration: what it answered.
    """
    low = calibration.tau_infer / 10
    taus = np.geomspace(low, max(float(q_abs.max()), calibration.tau_train), SWEPT)
    chosen = [calibration.tau_infer, calibration.tau_train]
    return tau_infer_sweep_from_q_abs(
        q_abs,
        is_in_range=np.abs(determinant) >= calibration.objective.det_bound,
        taus=np.unique([*taus, *chosen]).tolist(),
    )


def _tau_infer(largest: float, objective: Objective) -> float:
    if not largest:
        raise CalibrationError(
            "Q is exactly 0 for every near row, so they do not say which threshold is safe; choose "
            "it by hand, or give rows that end closer to the bound",
            found=largest,
            expected="|Q| > 0 of at least one near row",
        )
    # |Q| equal to the threshold is accepted, so it has to be larger than all of them.
    return max(largest * (1 + objective.margin), math.nextafter(largest, math.inf))


def _tau_train(q_abs: Floats, residual: Floats, tau_infer: float, objective: Objective) -> float:
    order = np.lexsort((residual, q_abs))
    order = order[q_abs[order] >= tau_infer]
    if len(order) < LOCAL_ROWS:
        raise CalibrationError(
            f"{len(order)} of {len(q_abs)} rows have |Q| >= tau_infer {tau_infer:.6g}, expected at "
            f"least {LOCAL_ROWS}: give more rows, or the model does not separate near rows from "
            "the others",
            found=len(order),
            expected=LOCAL_ROWS,
        )
    beyond = np.cumsum(np.append(0, residual[order] > objective.residual_tolerance))
    # The rounding of a product must not cost a row.
    allowed = math.floor(LOCAL_ROWS * (1 - objective.residual_quantile) + 1e-9)
    failing = np.flatnonzero(beyond[LOCAL_ROWS:] - beyond[:-LOCAL_ROWS] > allowed)
    if not failing.size:
        return tau_infer
    last = int(failing[-1])
    if last == len(order) - LOCAL_ROWS:
        raise CalibrationError(
            f"of the {LOCAL_ROWS} rows with the largest |Q|, {beyond[-1] - beyond[last]} have a "
            f"residual beyond {objective.residual_tolerance:g}, expected at most {allowed}: no "
            "tau_train helps a model that is wrong far from singularities",
            found=int(beyond[-1] - beyond[last]),
            expected=allowed,
        )
    return math.nextafter(float(q_abs[order[last]]), math.inf)


def _check_rows(q_abs: Floats, determinant: Floats, residual: Floats) -> None:
    arrays = {"q_abs": q_abs, "determinant": determinant, "residual": residual}
    for name, array in arrays.items():
        if array.ndim != 1 or array.shape != q_abs.shape or array.dtype != np.float64:
            raise ArrayError(
                f"{name} has shape {array.shape} and dtype {array.dtype}, expected one float64 for "
                f"each of {len(q_abs) if q_abs.ndim else 'N'} rows",
                found=array.shape,
                expected=q_abs.shape,
            )
    # A residual may be infinite: that row has no answer.
    for name, good in (
        ("|Q|", np.isfinite(q_abs) & (q_abs >= 0)),
        ("det J", np.isfinite(determinant)),
        ("residual", residual >= 0),
    ):
        if not good.all():
            bad = int(np.count_nonzero(~good))
            raise CalibrationError(
                f"{name} of {bad} of {len(good)} rows is negative or not finite, the first in row "
                f"{int(np.argmin(good))}; expected a model that answers every calibration row",
                found=bad,
                expected=0,
            )


def _check_near(near_rows: int, largest: float, objective: Objective) -> None:
    if near_rows < MIN_NEAR_ROWS:
        raise CalibrationError(
            f"{near_rows} rows have |det J| < {objective.det_bound:g}, expected at least "
            f"{MIN_NEAR_ROWS}: fewer that are all bottom leave open, at 95 % confidence, that more "
            "than 5 % of such rows are accepted; give more rows near the singularity",
            found=near_rows,
            expected=MIN_NEAR_ROWS,
        )
    if largest < NEAR_EDGE * objective.det_bound:
        raise CalibrationError(
            f"of the rows with |det J| < {objective.det_bound:g} the largest has {largest:g}, "
            f"expected one at {NEAR_EDGE:g} of the bound or more: these say nothing of |Q| at the "
            "bound; give rows up to it",
            found=largest,
            expected=NEAR_EDGE * objective.det_bound,
        )


def _check_coverage(found: Calibration) -> None:
    if found.coverage < found.objective.min_coverage:
        raise CalibrationError(
            f"coverage would be {found.coverage:.4f} (bottom {found.bottom_rate:.4f}, gap "
            f"{found.gap_rate:.4f}) at tau_infer {found.tau_infer:.6g} and tau_train "
            f"{found.tau_train:.6g}, expected at least {found.objective.min_coverage:g}; "
            f"{found.near_rows} of {found.rows} rows have |det J| < {found.objective.det_bound:g}. "
            "Either |Q| does not separate them from the others, or the residual is too large for "
            "this tolerance: train further, or ask for less",
            found=found.coverage,
            expected=found.objective.min_coverage,
        )
