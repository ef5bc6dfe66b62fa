"""The strict decode of a projective pair (P, Q).

With thresholds tau_infer > 0 and optional tau_train >= tau_infer:

    fault     P or Q is not finite, or P/Q is not finite although |Q| >= tau_infer
    semantic  Q is finite and |Q| < tau_infer
    bottom    fault or semantic; `decoded` is NaN exactly there
    gap       not bottom and |Q| < tau_train

Comparisons are exact: Q is compared in float64, which holds every float32, float16 and bfloat16
value unchanged, so the same Q gives the same masks whatever its dtype. Equality with a threshold
is on the accepted side.

Masks have the shape of Q. Where P has K columns and Q one, the fault of any column marks the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.contract.provenance import BottomProvenance
from zeroproof_ros.errors import ArrayError, ThresholdError

# Any array of a library the array API knows: numpy, torch, ...
Array = Any

# The kinds of dtype that are asked for, in the words of the array API and of numpy.
_NUMPY_KINDS = {"real floating": "f", "bool": "b"}


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
    xp = _namespace(P, Q)
    _check_shapes(P, Q)
    _check_kind(xp, "real floating", P=P, Q=Q)
    _check_thresholds(xp, Q, config)

    # numpy 1 has no function for it, and asarray of torch warns of gradients.
    q_abs = xp.abs(Q.astype(np.float64) if xp is np else xp.astype(Q, xp.float64))
    small = q_abs < config.tau_infer
    # 1 stands in for a denominator that must not be divided by; the mask, not it, is the answer.
    divisor = xp.where(small, 1.0, Q)
    with np.errstate(over="ignore", invalid="ignore"):
        decoded = P / (divisor if P.ndim == Q.ndim else divisor[:, None])

    # The quotient is not finite where P is not, so it speaks for both.
    fault = ~(xp.isfinite(q_abs) & _per_denominator(xp, xp.isfinite(decoded), Q))
    bottom = fault | small
    if config.tau_train is None:
        gap = xp.zeros_like(bottom)
    else:
        gap = ~bottom & (q_abs < config.tau_train)
    return _result(xp, decoded, bottom, gap, fault, small, config)


def adopt_masks(decoded: Array, bottom: Array, gap: Array) -> SplitMasksResult:
    """Bring the outputs of a graph that decoded by itself under the contract.

    A value that is not finite although the graph calls it accepted becomes a fault: exporters
    are known that let infinities pass. A bottom of the graph counts as semantic, since the graph
    does not say more.

    Args:
        decoded: (N,) or (N, K) float.
        bottom: (N,), (N, 1) or (N, K) bool.
        gap: as `bottom`, not necessarily the same of the three.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    xp = _namespace(decoded, bottom)
    _check_shapes(decoded, bottom)
    _check_shapes(decoded, gap)
    _check_kind(xp, "real floating", decoded=decoded)
    _check_kind(xp, "bool", bottom=bottom, gap=gap)
    fault = ~bottom & ~_per_denominator(xp, xp.isfinite(decoded), bottom)
    merged = bottom | fault
    gap = _as_shape(xp, gap, bottom) & ~merged
    return SplitMasksResult(_masked(xp, decoded, merged), merged, gap, fault, bottom)


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
    codes = xp.asarray(fault, dtype=xp.uint8) * int(BottomProvenance.FAULT)
    codes = codes + xp.asarray(semantic, dtype=xp.uint8) * int(BottomProvenance.SEMANTIC)
    return ProvenanceResult(decoded, bottom, gap, xp.asarray(codes, dtype=xp.uint8))


def _masked(xp: Any, decoded: Array, bottom: Array) -> Array:
    mask = bottom if decoded.ndim == bottom.ndim else bottom[:, None]
    return xp.where(mask, float("nan"), decoded)


def _per_denominator(xp: Any, per_value: Array, mask: Array) -> Array:
    """All of `per_value` (shape of P) that share a denominator, in the shape of `mask` (of Q)."""
    if per_value.shape == mask.shape:
        return per_value
    return xp.reshape(xp.all(per_value, axis=1), mask.shape)


def _as_shape(xp: Any, mask: Array, like: Array) -> Array:
    """`mask` in the shape of `like`: any over the columns where `like` has one per row."""
    if mask.shape == like.shape:
        return mask
    if mask.ndim == 2:
        mask = xp.any(mask, axis=1)
    return xp.broadcast_to(mask if like.ndim == 1 else mask[:, None], like.shape)


def _namespace(P: Array, Q: Array) -> Any:
    if isinstance(P, np.ndarray) and isinstance(Q, np.ndarray):
        return np
    if not (hasattr(P, "dtype") and hasattr(Q, "dtype")):
        raise ArrayError(
            f"P is {type(P).__name__} and Q is {type(Q).__name__}, expected two arrays "
            "(numpy, torch, ...); wrap lists with numpy.asarray",
            found=(type(P), type(Q)),
        )
    # Not needed on a robot, where every array is numpy's.
    from array_api_compat import array_namespace

    try:
        return array_namespace(P, Q)
    except TypeError as error:
        raise ArrayError(
            f"P is {type(P).__name__} and Q is {type(Q).__name__}, expected both of one library",
            found=(type(P), type(Q)),
        ) from error


def _check_shapes(P: Array, Q: Array) -> None:
    p, q = tuple(P.shape), tuple(Q.shape)
    allowed: list[tuple[int, ...]]
    if len(p) == 1:
        allowed = [p]
    elif len(p) == 2:
        allowed = [p[:1], (p[0], 1), p]
    else:
        allowed = []
    if q not in allowed:
        choices = " or ".join(map(str, allowed)) or "P of shape (N,) or (N, K)"
        raise ArrayError(
            f"P has shape {p} and Q or a mask has shape {q}, expected {choices}",
            found=(p, q),
            expected=allowed,
        )


def _check_kind(xp: Any, kind: str, **arrays: Array) -> None:
    for name, array in arrays.items():
        dtype = array.dtype
        fits = dtype.kind == _NUMPY_KINDS[kind] if xp is np else xp.isdtype(dtype, kind)
        if not fits:
            raise ArrayError(f"{name} has dtype {dtype}, expected {kind}", found=dtype)


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
