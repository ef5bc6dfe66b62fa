"""The strict decode of a censored quantity: below its range, in it, or above it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, cast

from zeroproof_ros.contract.arrays import Array, check_kind, namespace
from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.contract.strict import SplitMasksResult, strict_inference
from zeroproof_ros.errors import ArrayError


class CensoredClass(IntEnum):
    """Codes of `class_id`; UNKNOWN is a bottom of which nothing tells the direction."""

    BELOW = 0
    IN_RANGE = 1
    ABOVE = 2
    UNKNOWN = 3


@dataclass(frozen=True, eq=False)
class CensoredResult:
    """What a censored decode answers; unpacks to `decoded, bottom_mask, class_id`.

    Attributes:
        decoded: (N,), P/Q, NaN exactly where bottom.
        bottom_mask: (N,) bool, True where there is no value.
        class_id: (N,) int64, codes of `CensoredClass`; IN_RANGE exactly where not bottom.
    """

    decoded: Array
    bottom_mask: Array
    class_id: Array

    def __iter__(self) -> Iterator[Array]:
        return iter((self.decoded, self.bottom_mask, self.class_id))


def decode_strict_censored_3way(
    P: Array, Q: Array, *, tau_infer: float, direction_logits: Array | None = None
) -> CensoredResult:
    """Decode (P, Q) strictly, and tell on which side of the range a censored value lies.

    A value is censored where |Q| < tau_infer. Its side is the larger logit or, without logits, the
    sign of P. It is UNKNOWN where those tell nothing, which are equal logits, P = 0, or anything
    that is not finite, and for a fault whose |Q| is not small: that is no censored value.

    Args:
        P: (N,), numerator.
        Q: (N,), denominator, of the same array library as P.
        tau_infer: as in `InferenceConfig`.
        direction_logits: (N, 2), of the same array library: below, above.

    Raises:
        ArrayError: shapes or dtypes other than the above.
        ThresholdError: tau_infer is not finite and > 0, or is 0 in the dtype of Q.
    """
    config = InferenceConfig(tau_infer, provenance="experimental")
    result = cast(SplitMasksResult, strict_inference(P, Q, config))
    if P.ndim != 1:
        raise ArrayError(
            f"P has shape {tuple(P.shape)}, expected (N,); squeeze a column",
            found=tuple(P.shape),
            expected=("N",),
        )
    xp = namespace(P=P)
    below, above = _sides(xp, P, result.fault_mask, direction_logits)
    censored = result.semantic_bottom_mask
    class_id = xp.zeros_like(P, dtype=xp.int64) + int(CensoredClass.UNKNOWN)
    for where, code in (
        (censored & below, CensoredClass.BELOW),
        (censored & above, CensoredClass.ABOVE),
        (~result.bottom_mask, CensoredClass.IN_RANGE),
    ):
        class_id = xp.where(where, int(code), class_id)
    return CensoredResult(result.decoded, result.bottom_mask, class_id)


def _sides(xp: Any, P: Array, fault: Array, logits: Array | None) -> tuple[Array, Array]:
    """(N,) and (N,): where the side is told to be below, and above."""
    if logits is None:
        return (P < 0) & ~fault, (P > 0) & ~fault
    namespace(P=P, direction_logits=logits)
    check_kind(xp, "real floating", direction_logits=logits)
    expected = (P.shape[0], 2)
    if tuple(logits.shape) != expected:
        raise ArrayError(
            f"direction_logits have shape {tuple(logits.shape)}, expected {expected}: below, above",
            found=tuple(logits.shape),
            expected=expected,
        )
    told = xp.all(xp.isfinite(logits), axis=1)
    below, above = logits[:, 0], logits[:, 1]
    return told & (below > above), told & (above > below)
