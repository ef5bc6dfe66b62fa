"""How many entries of a batch had which mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import BottomProvenance
from zeroproof_ros.contract.arrays import Array, check_kind, check_masks, spread
from zeroproof_ros.errors import ArrayError


@dataclass(frozen=True)
class MaskCounts:
    """Counts over the entries of a bottom mask.

    Attributes:
        n: how many entries there are.
        bottom: entries without a value.
        gap: risky entries that have a value, so `bottom + gap <= n`.
        fault, semantic: bottom entries by their reason; `mixed` of them have both.
        has_gap: whether a gap mask was given; without one `gap` is 0.
        has_provenance: whether the reasons were given; without them their counts are 0.
    """

    n: int
    bottom: int
    gap: int
    fault: int
    semantic: int
    mixed: int
    has_gap: bool
    has_provenance: bool

    @property
    def accept(self) -> int:
        """Entries with a value, those in the gap with them."""
        return self.n - self.bottom

    @property
    def unspecified(self) -> int:
        """Bottom entries without a reason."""
        return self.bottom - (self.fault + self.semantic - self.mixed)


def share(count: int, n: int) -> float:
    """`count / n`, NaN where there was nothing to count, since no share is known then."""
    return count / n if n else math.nan


def count_masks(
    bottom_mask: Array,
    gap_mask: Array | None = None,
    *,
    fault_mask: Array | None = None,
    semantic_bottom_mask: Array | None = None,
    bottom_provenance: Array | None = None,
) -> MaskCounts:
    """Count masks as a strict decode or a bundle answers them.

    Tensors on an accelerator are copied to the host first.

    Args:
        bottom_mask: (N,) or (N, K) bool. What the other masks call fault or semantic bottom is
            bottom too.
        gap_mask: bool, of the shape of `bottom_mask`, or where that is (N, K) also one per row:
            (N,) or (N, 1). A bottom entry is never counted as gap.
        fault_mask, semantic_bottom_mask: as `gap_mask`; both or none.
        bottom_provenance: integer codes of `BottomProvenance`, in a shape as `gap_mask`. Given
            with the two masks, an entry has the reasons that either tells.

    Raises:
        ArrayError: shapes, dtypes or codes other than the above, or one of the two reasons alone.
    """
    bottom = _bools("bottom_mask", bottom_mask)
    if bottom.ndim not in (1, 2):
        raise ArrayError(
            f"bottom_mask has shape {bottom.shape}, expected (N,) or (N, K)",
            found=bottom.shape,
            expected=("(N,)", "(N, K)"),
        )
    fault = np.zeros_like(bottom)
    semantic = np.zeros_like(bottom)
    if (fault_mask is None) != (semantic_bottom_mask is None):
        known, unknown = "fault_mask", "semantic_bottom_mask"
        if fault_mask is None:
            known, unknown = unknown, known
        raise ArrayError(
            f"{known} is given without {unknown}; give both, or bottom_provenance, or none",
            found=known,
            expected=unknown,
        )
    if fault_mask is not None:
        fault = fault | _like(bottom, "fault_mask", _bools("fault_mask", fault_mask))
        name = "semantic_bottom_mask"
        semantic = semantic | _like(bottom, name, _bools(name, semantic_bottom_mask))
    if bottom_provenance is not None:
        codes = _like(bottom, "bottom_provenance", _codes("bottom_provenance", bottom_provenance))
        mixed = codes == BottomProvenance.MIXED
        fault = fault | mixed | (codes == BottomProvenance.FAULT)
        semantic = semantic | mixed | (codes == BottomProvenance.SEMANTIC)
    bottom = bottom | fault | semantic
    gap = np.zeros_like(bottom)
    if gap_mask is not None:
        gap = _like(bottom, "gap_mask", _bools("gap_mask", gap_mask)) & ~bottom
    return MaskCounts(
        n=bottom.size,
        bottom=int(np.count_nonzero(bottom)),
        gap=int(np.count_nonzero(gap)),
        fault=int(np.count_nonzero(fault)),
        semantic=int(np.count_nonzero(semantic)),
        mixed=int(np.count_nonzero(fault & semantic)),
        has_gap=gap_mask is not None,
        has_provenance=fault_mask is not None or bottom_provenance is not None,
    )


def _bools(name: str, array: Array) -> NDArray[np.bool_]:
    mask = _on_host(name, array)
    check_kind(np, "bool", **{name: mask})
    return mask


def _codes(name: str, array: Array) -> NDArray[Any]:
    codes = _on_host(name, array)
    check_kind(np, "integral", **{name: codes})
    known = [int(code) for code in BottomProvenance]
    unknown = codes[(codes < min(known)) | (codes > max(known))]
    if unknown.size:
        raise ArrayError(
            f"{name} has code {unknown[0]}, expected one of {known}",
            found=int(unknown[0]),
            expected=known,
        )
    return codes


def _on_host(name: str, array: Array) -> NDArray[Any]:
    try:
        # numpy can not read the memory of an accelerator; tensors there can be asked to move.
        return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArrayError(
            f"{name} is {type(array).__name__} that numpy can not read: {error}", found=type(array)
        ) from error


def _like(bottom: NDArray[np.bool_], name: str, array: NDArray[Any]) -> NDArray[Any]:
    """`array` in the shape of `bottom`: as it is, or one per row for all columns."""
    check_masks("bottom_mask", bottom, **{name: array})
    return np.broadcast_to(spread(array, bottom), bottom.shape)
