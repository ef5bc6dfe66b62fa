"""The strict decode of a projective pair (P, Q).

With thresholds tau_infer > 0 and optional tau_train >= tau_infer:

    fault     P or Q is not finite, or P/Q is not finite although |Q| >= tau_infer
    semantic  Q is finite and |Q| < tau_infer
    bottom    fault or semantic; `decoded` is NaN exactly there
    gap       not bottom and |Q| < tau_train

Comparisons are exact: Q is compared in float64, which holds every float32, float16 and bfloat16
value unchanged, so the same Q gives the same masks whatever its dtype. Equality with a threshold
is on the accepted side.

Masks have the shape of Q, see `contract.arrays`. Where P has K columns and Q one, the fault of any
column marks the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from zeroproof_ros.contract.arrays import (
    Array,
    all_sharing,
    as_dtype,
    check_kind,
    check_masks,
    in_shape_of,
    namespace,
    spread,
)
from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.contract.provenance import BottomProvenance
from zeroproof_ros.errors import ThresholdError


@dataclass(frozen=True, eq=False)
class StrictResult:
    """What a strict decode answers; unpacks to `decoded, bottom_mask, gap_mask`.

    Attributes:
        decoded: (N,) or (N, K), P/Q, NaN exactly where bottom.
        bottom_mask: shape of Q, bool, True where there is no value.
        gap_mask: shape of Q, bool, True where the value is risky; disjoint from bottom.
    """

    decoded: Array
    bottom_mask: Array
    gap_mask: Array

    def __iter__(self) -> Iterator[Array]:
        return iter((self.decoded, self.bottom_mask, self.gap_mask))


@dataclass(frozen=True, eq=False)
class SplitMasksResult(StrictResult):
    """A strict result that keeps the two reasons of bottom as masks, which may overlap."""

    fault_mask: Array
    semantic_bottom_mask: Array


@dataclass(frozen=True, eq=False)
class ProvenanceResult(StrictResult):
    """A strict result that keeps the reason of bottom as one `BottomProvenance` code (uint8)."""

    bottom_provenance: Array


def strict_inference(
    P: Array,
    Q: Array,
    config: InferenceConfig = InferenceConfig(),  # noqa: B008 -- frozen, so safe to share
) -> StrictResult:
    """Decode (P, Q) to P/Q and the masks that say where that is a value.

    Args:
        P: (N,) or (N, K), numerator.
        Q: (N,), (N, 1) or (N, K), denominator, of the same array library as P. (N,) is always
            one denominator per row.
        config: the thresholds, in the unit of Q.

    Returns:
        `StrictResult`, or with `config.provenance` on `SplitMasksResult` or `ProvenanceResult`.

    Raises:
        ArrayError: not two floating arrays of one library, or shapes other than the above. P (N,)
            with Q (N, 1) is refused, because spreading it to (N, N) is never what was meant.
        ThresholdError: a threshold that is 0 in the dtype of Q.
    """
    xp = namespace(P=P, Q=Q)
    check_masks("P", P, Q=Q)
    check_kind(xp, "real floating", P=P, Q=Q)
    _check_thresholds(xp, Q, config)

    q_abs = xp.abs(as_dtype(xp, Q, xp.float64))
    small = q_abs < config.tau_infer
    # 1 stands in for a denominator that must not be divided by; the mask, not it, is the answer.
    divisor = xp.where(small, 1.0, Q)
    with np.errstate(over="ignore", invalid="ignore"):
        decoded = P / spread(divisor, P)

    # The quotient is not finite where P is not, so it speaks for both.
    fault = ~(xp.isfinite(q_abs) & all_sharing(xp, xp.isfinite(decoded), Q))
    bottom = fault | small
    if config.tau_train is None:
        gap = xp.zeros_like(bottom)
    else:
        gap = ~bottom & (q_abs < config.tau_train)
    return _result(xp, decoded, bottom, gap, fault, small, config)


def adopt_masks(
    decoded: Array,
    bottom: Array,
    gap: Array,
    *,
    fault: Array | None = None,
    semantic: Array | None = None,
) -> SplitMasksResult:
    """Bring values and masks that were decided elsewhere under the contract.

    What any mask calls bottom is bottom. A value that is not finite although it is called accepted
    becomes a fault: exporters are known that let infinities pass. Of the two reasons of a bottom,
    one that is not given is where the other is not; without either, a bottom is semantic, and
    with both, one that neither explains is a fault.

    Args:
        decoded: (N,) or (N, K) float.
        bottom: (N,), (N, 1) or (N, K) bool; the masks of the result have its shape.
        gap: as `bottom`, not necessarily the same of the three.
        fault, semantic: as `gap`, or None where nothing tells them.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    masks = {"bottom": bottom, "gap": gap}
    if fault is not None:
        masks["fault"] = fault
    if semantic is not None:
        masks["semantic"] = semantic
    xp = namespace(decoded=decoded, **masks)
    check_masks("decoded", decoded, **masks)
    check_kind(xp, "real floating", decoded=decoded)
    check_kind(xp, "bool", **masks)

    told = bottom
    if fault is not None:
        fault = in_shape_of(xp, bottom, fault)
        told = told | fault
    if semantic is not None:
        semantic = in_shape_of(xp, bottom, semantic)
        told = told | semantic
    lost = ~told & ~all_sharing(xp, xp.isfinite(decoded), bottom)
    merged = told | lost
    if semantic is None:
        semantic = told if fault is None else told & ~fault
    else:
        lost = lost | told & ~semantic
    fault = lost if fault is None else fault | lost
    gap = in_shape_of(xp, bottom, gap) & ~merged
    return SplitMasksResult(_masked(xp, decoded, merged), merged, gap, fault, semantic)


def _result(
    xp: Any,
    decoded: Array,
    bottom: Array,
    gap: Array,
    fault: Array,
    semantic: Array,
    config: InferenceConfig,
) -> StrictResult:
    decoded = _masked(xp, decoded, bottom)
    if config.provenance == "off":
        return StrictResult(decoded, bottom, gap)
    if config.provenance_representation == "split_masks":
        return SplitMasksResult(decoded, bottom, gap, fault, semantic)
    codes = as_dtype(xp, fault, xp.uint8) * int(BottomProvenance.FAULT)
    codes = codes + as_dtype(xp, semantic, xp.uint8) * int(BottomProvenance.SEMANTIC)
    return ProvenanceResult(decoded, bottom, gap, as_dtype(xp, codes, xp.uint8))


def _masked(xp: Any, decoded: Array, bottom: Array) -> Array:
    return xp.where(spread(bottom, decoded), float("nan"), decoded)


def _check_thresholds(xp: Any, Q: Array, config: InferenceConfig) -> None:
    # Any threshold >= tau_infer survives where tau_infer does.
    if _is_zero_in(config.tau_infer, xp, Q.dtype):
        raise ThresholdError(
            f"tau_infer {config.tau_infer} is 0 in {Q.dtype}, the dtype of Q; give a larger "
            "threshold or a wider Q",
            found=config.tau_infer,
            expected=f"> 0 in {Q.dtype}",
        )


@cache
def _is_zero_in(threshold: float, xp: Any, dtype: Any) -> bool:
    return float(xp.asarray(threshold, dtype=dtype)) == 0.0
