"""A smoke test: rows through a loaded bundle, and the contract held against the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, BundleResult
from zeroproof_ros.bundle.device import seconds_per_run
from zeroproof_ros.contract.arrays import per_row, spread
from zeroproof_ros.errors import ZeroProofError
from zeroproof_ros.pipeline import ResultTable, Source, StrictIK
from zeroproof_ros.smoke.rows import USABLE, smoke_rows

# How far the answer to a row may depend on its neighbours, as a share of the answer or of 1,
# whichever is larger. ONNX Runtime computes short and long batches with different instructions.
TOLERANCE = 1e-3
# The same for |Q|, which decides the masks: so near to a threshold they may differ.
Q_TOLERANCE = 1e-5
TIMED_ROWS = (1, 1024)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Trial:
    """Rows (N, F), what each is for, and the answers of a bundle; `table` where it has an arm."""

    bundle: Bundle
    rows: NDArray[np.float64]
    kinds: NDArray[np.str_]
    answer: BundleResult
    ik: StrictIK | None
    table: ResultTable | None

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) which rows are finite, so that a model is expected to answer them."""
        return np.isin(self.kinds, USABLE)


# A row, or None for all, and what is wrong with it; None where nothing is.
Failure = tuple[int | None, str] | None


def masks(trial: Trial) -> Failure:
    """Masks are bool, one entry per row or per output, and no entry is both bottom and gap."""
    bottom, gap = trial.answer.bottom_mask, trial.answer.gap_mask
    n, shape = len(trial.rows), trial.answer.decoded.shape
    if not bottom.dtype == gap.dtype == np.bool_:
        return None, f"the masks are {bottom.dtype} and {gap.dtype}"
    if bottom.shape != gap.shape or bottom.shape not in ((n,), (n, 1), shape):
        return None, f"masks of shapes {bottom.shape} and {gap.shape} for values {shape}"
    return _first(per_row(np, bottom & gap), "is bottom and gap at once")


def finite(trial: Trial) -> Failure:
    """A decoded value is finite where its mask is not bottom, and NaN where it is."""
    decoded = trial.answer.decoded
    bottom = np.broadcast_to(spread(trial.answer.bottom_mask, decoded), decoded.shape)
    wrong = np.where(bottom, ~np.isnan(decoded), ~np.isfinite(decoded))
    return _first(per_row(np, wrong), "has a value where it is bottom, or none where it is not")


def nan(trial: Trial) -> Failure:
    """A row with a NaN is bottom, unless the graph does not look at that column at all."""
    swallowed = _accepted_nans(trial)
    for row in _ignored(trial):
        swallowed[row] = False
    return _first(swallowed, "holds a NaN, and is accepted with another answer than without it")


def neighbours(trial: Trial) -> Failure:
    """A row alone gets the answer that it gets among all others, to within the tolerance."""
    together = trial.answer
    for i in range(len(trial.rows)):
        alone = trial.bundle.run(trial.rows[i : i + 1])
        if alone.decoded.shape != together.decoded[i : i + 1].shape:
            return i, f"gives values of shape {alone.decoded.shape} alone"
        if _flipped(trial.bundle, alone, together, i):
            return i, "has other masks alone than among other rows"
        if _differs(alone, 0, together, i):
            return i, f"gives {alone.decoded[0]} alone, {together.decoded[i]} among other rows"
    return None


def repeat(trial: Trial) -> Failure:
    """The same rows again give the same bytes."""
    again = trial.bundle.run(trial.rows)
    if _shapes(again) != _shapes(trial.answer):
        return None, f"gives {_shapes(again)}, before {_shapes(trial.answer)}"
    differ = np.zeros(len(trial.rows), dtype=bool)
    for first, second in zip(trial.answer, again, strict=True):
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        differ |= per_row(np, ~same)
    return _first(differ, "gets another answer the second time")


def empty(trial: Trial) -> Failure:
    """No rows give no rows."""
    shapes = _shapes(trial.bundle.run(trial.rows[:0]))
    expected = [(0, *array.shape[1:]) for array in trial.answer]
    return None if shapes == expected else (None, f"0 rows give {shapes}, expected {expected}")


def verified(trial: Trial) -> Failure:
    """Every row comes back in place, and is served only if finite and within the joint limits."""
    ik, table = trial.ik, trial.table
    if ik is None or table is None:
        return None
    if not np.array_equal(table["in"], trial.rows, equal_nan=True):
        return None, "the rows of the table are not the rows that were asked"
    commands = ik.absolute(table["in"], table["resolved"])
    outside = table.served & ~ik.deployment.arm.limits.contain(commands)
    wrong = outside | (table.served & ~trial.usable)
    return _first(wrong, "is served, though it is not finite or leaves the limits")


def serves(trial: Trial) -> Failure:
    """The model serves at least one of the finite rows."""
    if trial.table is None or (trial.table["source"] == Source.MODEL).any():
        return None
    return None, f"the model serves none of {np.count_nonzero(trial.usable)} rows within the limits"


CHECKS: Mapping[str, Callable[[Trial], Failure]] = {
    check.__name__: check
    for check in (masks, finite, nan, neighbours, repeat, empty, verified, serves)
}
NEEDS_ARM = ("verified", "serves")


def smoke(bundle: Bundle, *, rows: int, seed: int) -> Mapping[str, Any]:
    """Run rows through a bundle and every check over its answers.

    Args:
        bundle: a loaded bundle.
        rows: how many random rows; see `smoke_rows` for the others.
        seed: of the random rows.

    Returns:
        A report that JSON can hold; `failures` is empty where every check passed.
    """
    table, kinds = smoke_rows(bundle, rows, np.random.default_rng(seed))
    head = {
        "id": bundle.id,
        "digest": bundle.digest,
        "providers": list(bundle.runtime.providers),
        "rows": dict(Counter(kinds.tolist())),
    }
    try:
        ik = None if bundle.deployment is None else StrictIK(bundle)
        trial = Trial(bundle, table, kinds, bundle.run(table), ik, ik.solve(table) if ik else None)
        seconds = {f"rows_{n}": _short(seconds_per_run(bundle, n)) for n in TIMED_ROWS}
    except ZeroProofError as error:
        return head | {"failures": {"run": {"row": None, "what": str(error)}}}
    return head | {
        "warnings": _warnings(trial),
        "checks": [name for name in CHECKS if trial.table is not None or name not in NEEDS_ARM],
        "failures": dict(_failures(trial)),
        "rates": _rates(trial),
        "residuals": _residuals(trial),
        "median_seconds": seconds,
    }


def _failures(trial: Trial) -> Mapping[str, Any]:
    found = {}
    for name, check in CHECKS.items():
        try:
            failure = check(trial)
        except ZeroProofError as error:
            failure = None, str(error)
        if failure is not None:
            row, what = failure
            found[name] = {"row": row, "what": what if row is None else _named(trial, row, what)}
    return found


def _named(trial: Trial, row: int, what: str) -> str:
    """A failure with the row itself, since the number of a random row says nothing."""
    values = ", ".join(f"{value:.9g}" for value in trial.rows[row])
    return f"{trial.kinds[row]} row ({values}) {what}"


def _shapes(answer: BundleResult) -> list[tuple[int, ...]]:
    return [array.shape for array in answer]


def _first(wrong: NDArray[np.bool_], what: str) -> Failure:
    return (int(np.argmax(wrong)), what) if wrong.any() else None


def _flipped(bundle: Bundle, alone: BundleResult, together: BundleResult, i: int) -> bool:
    """Whether a row has other masks alone, and not for a |Q| at a threshold."""
    differ = (alone.bottom_mask[0] != together.bottom_mask[i]) | (
        alone.gap_mask[0] != together.gap_mask[i]
    )
    if alone.q_abs is not None:
        q = alone.q_abs[0]
        for tau in (bundle.config.tau_infer, bundle.config.tau_train):
            if tau is not None:
                differ &= ~(np.abs(q - tau) <= Q_TOLERANCE * np.maximum(q, 1.0))
    return bool(np.any(differ))


def _differs(one: BundleResult, i: int, other: BundleResult, j: int) -> bool:
    """Whether row i of one answer has other values than row j of the other, beyond rounding."""
    difference = np.abs(one.decoded[i] - other.decoded[j])
    difference = difference / np.maximum(np.abs(other.decoded[j]), 1.0)
    # P and Q are rounded, so their quotient is as much rougher as |Q| is below 1.
    if one.q_abs is not None:
        difference = difference * np.minimum(one.q_abs[i], 1.0)
    return bool((difference > TOLERANCE).any())


def _accepted_nans(trial: Trial) -> NDArray[np.bool_]:
    """(N,) rows with a NaN that are not bottom."""
    return np.asarray(~per_row(np, trial.answer.bottom_mask) & np.isnan(trial.rows).any(axis=1))


def _ignored(trial: Trial) -> list[int]:
    """The accepted rows with a NaN that get the answer of the first row, from which they were made.

    Some models have columns they need not look at, such as the joint positions now.
    """
    accepted = np.flatnonzero(_accepted_nans(trial)).tolist()
    return [row for row in accepted if not _differs(trial.answer, row, trial.answer, 0)]


def _warnings(trial: Trial) -> list[str]:
    deployment, told = trial.bundle.deployment, []
    for row in _ignored(trial):
        column = int(np.argmax(np.isnan(trial.rows[row])))
        name = f"column {column}" if deployment is None else deployment.features[column]
        told.append(f"the model does not look at {name}, so it accepts a NaN there")
    if deployment is None:
        told.append("it has no arm: rows are standard normal, and no answer was checked by one")
        if _rates(trial)["coverage"] == 0.0:
            told.append("the model accepts no row")
    return told


def _rates(trial: Trial) -> dict[str, float]:
    """Shares of the usable rows."""
    bottom = per_row(np, trial.answer.bottom_mask)[trial.usable]
    gap = per_row(np, trial.answer.gap_mask)[trial.usable] & ~bottom
    shares = {"bottom": bottom, "gap": gap, "accept": ~bottom, "coverage": ~(bottom | gap)}
    if trial.table is not None:
        source = trial.table["source"][trial.usable]
        for name, code in zip(("nobody", "model", "solver"), Source, strict=True):
            shares[f"served_by_{name}"] = source == code
    return {name: round(float(share.mean()), 6) for name, share in shares.items()}


def _residuals(trial: Trial) -> dict[str, Any]:
    """Quantiles of the residuals of served rows, by who served them."""
    if trial.table is None:
        return {}
    found = {}
    for name, code in (("model", Source.MODEL), ("solver", Source.ANALYTIC)):
        residual = trial.table["residual"][trial.table["source"] == code]
        if residual.size:
            found[name] = {
                level: _short(float(np.quantile(residual, q))) for level, q in QUANTILES.items()
            }
    return found


def _short(number: float) -> float:
    return float(f"{number:.3g}")
