"""Choosing tau_infer from held-out denominators.

At a threshold tau an entry is bottom where |Q| < tau or |Q| is not finite, as in the strict decode,
and compared like there in float64. Of the entries whose true value is in range, and of the others,
called censored:

    fn_in        share of the entries in range that are bottom (rejected, although there is a value)
    fp_cens      share of the censored entries that are not (accepted, although there is none)
    bottom_rate  share of all entries that are bottom
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any

from zeroproof_ros.contract.arrays import (
    Array,
    as_dtype,
    check_kind,
    check_masks,
    namespace,
    spread,
)
from zeroproof_ros.contract.config import check_threshold
from zeroproof_ros.contract.coverage import mask_rate
from zeroproof_ros.errors import ArrayError, ConfigError, ThresholdError
from zeroproof_ros.files import write_files

CURVES = ("taus", "fn_in", "fp_cens", "bottom_rate")
SWEEP_NAME = "tau_infer_sweep"

Curve = Sequence[float | None]


def tau_infer_sweep_from_q_abs(
    q_abs: Array, *, is_in_range: Array, taus: Iterable[float]
) -> dict[str, Curve]:
    """The three shares of this module at each threshold.

    Args:
        q_abs: (N,) or (N, K) float, |Q| of held-out rows.
        is_in_range: (N,), (N, 1) or (N, K) bool, of the same array library.
        taus: thresholds in the unit of Q, finite, > 0, each larger than the one before.

    Returns:
        "taus", "fn_in", "fp_cens" and "bottom_rate", one number per threshold each; the share of a
        group without entries is None.

    Raises:
        ArrayError: other shapes or dtypes, a negative |Q|, or no entry at all.
        ThresholdError: thresholds other than the above, or none.
    """
    thresholds = _thresholds(taus)
    xp = namespace(q_abs=q_abs, is_in_range=is_in_range)
    check_masks("q_abs", q_abs, is_in_range=is_in_range)
    check_kind(xp, "real floating", q_abs=q_abs)
    check_kind(xp, "bool", is_in_range=is_in_range)
    q = as_dtype(xp, q_abs, xp.float64)
    in_range = xp.broadcast_to(spread(is_in_range, q), q.shape)
    everything, inside, censored = xp.reshape(q, (-1,)), q[in_range], q[~in_range]
    if not everything.shape[0] or bool(xp.any(everything < 0)):
        raise ArrayError(
            f"q_abs of shape {tuple(q_abs.shape)} is empty or has a negative entry, expected |Q| "
            "of at least one row",
            found=tuple(q_abs.shape),
        )

    def bottom_rate(group: Array, tau: float) -> float | None:
        return mask_rate(~xp.isfinite(group) | (group < tau)) if group.shape[0] else None

    missed = [bottom_rate(censored, tau) for tau in thresholds]
    curves: Sequence[Curve] = (
        thresholds,
        [bottom_rate(inside, tau) for tau in thresholds],
        [None if rate is None else 1.0 - rate for rate in missed],
        [bottom_rate(everything, tau) for tau in thresholds],
    )
    return dict(zip(CURVES, curves, strict=True))


def write_tau_infer_sweep(
    out_dir: Path | str,
    curves: Mapping[str, Curve],
    *,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write `tau_infer_sweep.json` and, to be read, `tau_infer_sweep.md`.

    Each file is there with all of its content or, whatever happens, as it was before.

    Args:
        out_dir: the folder; it is made.
        curves: what `tau_infer_sweep_from_q_abs` answered. None becomes null.
        provenance: what else shall stand in the JSON file: where the rows came from.

    Raises:
        ConfigError: curves of other names or of different lengths, something that JSON does not
            know, such as a NaN, or a folder that can not be written.
    """
    _check_curves(curves)
    document: dict[str, Any] = {"curves": {name: list(curves[name]) for name in CURVES}}
    if provenance is not None:
        document["provenance"] = dict(provenance)
    folder = Path(out_dir)
    try:
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the sweep can not be written as JSON: {error}", path=folder) from error
    try:
        texts = {f"{SWEEP_NAME}.json": text, f"{SWEEP_NAME}.md": _table(curves)}
        write_files(folder, {name: each.encode("utf-8") for name, each in texts.items()})
    except OSError as error:
        raise ConfigError(f"{folder} can not be written: {error}", path=folder) from error


def _thresholds(taus: Iterable[float]) -> list[float]:
    thresholds = [check_threshold(f"taus[{i}]", tau) for i, tau in enumerate(taus)]
    rising = all(a < b for a, b in pairwise(thresholds))
    if not (thresholds and rising):
        raise ThresholdError(
            f"taus are {thresholds}, expected at least one, each larger than the one before",
            found=thresholds,
        )
    return thresholds


def _check_curves(curves: Mapping[str, Curve]) -> None:
    found = {name: len(curve) for name, curve in curves.items()}
    if sorted(found) != sorted(CURVES) or len(set(found.values())) != 1:
        raise ConfigError(
            f"the curves have the lengths {found}, expected {', '.join(CURVES)} of one length",
            found=found,
            expected=CURVES,
        )
    for name, curve in curves.items():
        for value in curve:
            if value is not None and not (isinstance(value, Real) and math.isfinite(value)):
                raise ConfigError(
                    f"curve {name} has {value!r}, expected finite numbers, or None for no share",
                    found=value,
                )


def _table(curves: Mapping[str, Curve]) -> str:
    lines = [
        "# tau_infer sweep",
        "",
        "Bottom where |Q| < tau_infer or |Q| is not finite; `-` is the share of no entries.",
        "",
        "| tau_infer | fn_in | fp_cens | bottom_rate |",
        "|---:|---:|---:|---:|",
    ]
    for tau, *shares in zip(*(curves[name] for name in CURVES), strict=True):
        cells = ["-" if share is None else f"{share:.6f}" for share in shares]
        lines.append(f"| {' | '.join([f'{tau:.6g}', *cells])} |")
    return "\n".join(lines) + "\n"
