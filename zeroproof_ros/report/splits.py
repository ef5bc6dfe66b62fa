"""Named tables of rows as a bundle answers them, and what is counted and measured on each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, GraphKind
from zeroproof_ros.calibration import Curve, tau_infer_sweep_from_q_abs
from zeroproof_ros.contract.arrays import per_row
from zeroproof_ros.errors import ArrayError
from zeroproof_ros.kinematics.limits import BoolArray, FloatArray
from zeroproof_ros.monitor import MaskCounts, Rates, RowCounts, count_masks, count_rows
from zeroproof_ros.pipeline import Policy, Source, StrictIK

# What is counted of rows that no arm stands behind: they are decoded, but nobody can serve them.
DECODED = np.dtype(
    [
        ("q_abs", np.float64),
        *((flag, np.uint8) for flag in ("bottom", "gap", "fault", "semantic")),
        *((code, np.uint8) for code in ("source", "reason")),
    ]
)
SERVING = ("fallback_rate", "reject_rate", "serve_rate")
SERVERS = {"model": Source.MODEL, "solver": Source.ANALYTIC}
LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
# Strata of |det J| begin at these shares of the largest |det J| of the arm.
STRATA = (0.0, 0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
# The sweep has this many thresholds per decade, and this many decades to each side of tau_infer.
PER_DECADE, DECADES = 10, 2

Number = float | int | None


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of a split as they were answered.

    Attributes:
        rows: (N,) structured, of a result table, or of `DECODED` without an arm; N > 0.
        determinant: (N,) |det J| at the joints of each row [m^n], NaN where they are not finite;
            None without an arm.
        decoded_shape: of the values the model answered.
    """

    rows: NDArray[Any]
    determinant: FloatArray | None
    decoded_shape: tuple[int, ...]

    @cached_property
    def counts(self) -> RowCounts:
        """Of all rows."""
        return count_rows(self.rows)

    @cached_property
    def rates(self) -> Rates:
        """Of all rows; there was no clock, so `rows_per_second` is unknown."""
        return Rates.of(self.counts, 0.0)

    @cached_property
    def masks(self) -> MaskCounts:
        """Bottom rows by their reasons."""
        return count_masks(
            *(self.rows[mask].astype(bool) for mask in ("bottom", "gap")),
            fault_mask=self.rows["fault"].astype(bool),
            semantic_bottom_mask=self.rows["semantic"].astype(bool),
        )

    @property
    def accepted(self) -> BoolArray:
        """(N,) rows that are not bottom; as in `Rates.accept_rate` the gap is accepted."""
        return ~self.rows["bottom"].astype(bool)

    def near(self, det_bound: float) -> BoolArray:
        """(N,) rows with |det J| below a bound [m^n], and those of which it is not known."""
        if self.determinant is None:
            return np.ones(len(self.rows), dtype=bool)
        return np.asarray(~(self.determinant >= det_bound))


def answer_splits(
    bundle: Bundle, splits: Mapping[str, NDArray[Any]], policy: Policy
) -> dict[str, Split]:
    """Answer rows (N, F) by name, with the arm of a bundle where it has one.

    Raises:
        ArrayError: no split, one without rows, or rows that are no table of F real columns.
        ModelRunError: a model without an arm raised; with one, its rows say so.
    """
    if not splits:
        raise ArrayError("there is no split, expected at least one named table of rows")
    for name, rows in splits.items():
        if not len(rows):
            raise ArrayError(f"split {name!r} has no rows, so there is nothing to measure")
    if bundle.deployment is None:
        return {name: _decoded(bundle, rows) for name, rows in splits.items()}
    ik = StrictIK(bundle, policy)
    arm, joints = bundle.deployment.arm, list(bundle.deployment.joint_columns)
    answered = {}
    for name, inputs in splits.items():
        rows = ik.solve(inputs).rows
        with np.errstate(invalid="ignore"):  # the joints of a bad input
            determinant = np.abs(arm.determinant(rows["in"][:, joints]))
        answered[name] = Split(rows, determinant, rows["decoded"].shape)
    return answered


def _decoded(bundle: Bundle, inputs: NDArray[Any]) -> Split:
    answer = bundle.run(inputs)
    rows = np.zeros(len(inputs), dtype=DECODED)
    q_abs = answer.q_abs
    rows["q_abs"] = np.nan if q_abs is None else q_abs.reshape(len(inputs), -1).min(axis=1)
    rows["bottom"] = bottom = per_row(np, answer.bottom_mask)
    rows["gap"] = ~bottom & per_row(np, answer.gap_mask)
    rows["fault"] = per_row(np, answer.fault_mask)
    rows["semantic"] = per_row(np, answer.semantic_bottom_mask)
    return Split(rows, None, answer.decoded.shape)


def rates_of(split: Split) -> dict[str, Number]:
    """What JSON can hold of the rates of a split; who served is null without an arm."""
    rates = {name: rate for name, rate in asdict(split.rates).items() if isinstance(rate, float)}
    del rates["rows_per_second"]
    told = {name: short(rate) for name, rate in rates.items()} | {"rows": split.counts.rows}
    return told if split.determinant is not None else told | dict.fromkeys(SERVING)


def residuals_of(split: Split) -> dict[str, dict[str, Number]]:
    """Quantiles of the residuals of the rows that the model and the solver served."""
    found = {}
    for name, source in SERVERS.items():
        residual = split.rows["residual"][split.rows["source"] == source]
        quantiles = dict.fromkeys(LEVELS, math.nan)
        if residual.size:
            quantiles = dict(zip(LEVELS, np.quantile(residual, [*LEVELS.values()]), strict=True))
        found[name] = {"rows": int(residual.size)} | {k: short(v) for k, v in quantiles.items()}
    return found


def strata_of(split: Split, max_determinant: float, det_bound: float) -> list[dict[str, Number]]:
    """Rates by |det J|: from each edge [m^n] up to the next, the last without an end.

    Rows with joints that are not finite are in no stratum.
    """
    determinant = split.determinant
    if determinant is None:
        return []
    edges = sorted({*(share * max_determinant for share in STRATA), det_bound})
    strata = []
    for low, high in zip(edges, [*edges[1:], math.inf], strict=True):
        inside = (determinant >= low) & (determinant < high)
        part = Split(split.rows[inside], determinant[inside], split.decoded_shape)
        strata.append({"from": short(low), "to": short(high), **rates_of(part)})
    return strata


def sweep_of(split: Split, tau_infer: float, det_bound: float) -> Mapping[str, Curve]:
    """The curves of `tau_infer_sweep_from_q_abs` around tau_infer, over the rows' smallest |Q|.

    In range are the rows with |det J| of the bound [m^n] or more.
    """
    steps = range(-PER_DECADE * DECADES, PER_DECADE * DECADES + 1)
    taus = {tau_infer * 10.0 ** (step / PER_DECADE) for step in steps}
    curves = tau_infer_sweep_from_q_abs(
        split.rows["q_abs"].astype(np.float64),
        is_in_range=~split.near(det_bound),
        taus=sorted(tau for tau in taus if 0.0 < tau < math.inf),
    )
    return {name: [short(value) for value in curve] for name, curve in curves.items()}


def why_no_sweep(bundle: Bundle, split: Split) -> str | None:
    """Why there is no calibration curve, None where there is one."""
    if bundle.kind is not GraphKind.PROJECTIVE:
        return "the graph decodes by itself and keeps |Q| to itself"
    if split.determinant is None:
        return "without an arm nobody knows which rows are near a singularity"
    return None


def short(number: float | None) -> Number:
    """A number as reports tell it: six digits, None where there is none.

    Last digits depend on the processor; what is told should not.
    """
    if number is None or isinstance(number, int):
        return number
    return float(f"{number:.6g}") if math.isfinite(number) else None


def numbers(values: Iterable[float]) -> list[Number]:
    """`short` of each."""
    return [short(float(value)) for value in values]
