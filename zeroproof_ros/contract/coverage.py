"""Shares of masks."""

from __future__ import annotations

from zeroproof_ros.contract.arrays import Array, check_kind, check_masks, count, namespace
from zeroproof_ros.errors import ArrayError


def coverage_metric(bottom_mask: Array) -> float:
    """The share of entries that have a value: 1 - bottom.

    The gap counts as covered. Where it must not, see `coverage` of `zeroproof_ros.monitor.Rates`;
    what is returned here is called `accept_rate` there.

    Args:
        bottom_mask: (N,), (N, 1) or (N, K) bool.

    Raises:
        ArrayError: another shape or dtype, or no entry: a share of nothing would pass any test
            that looks for a share too low.
    """
    return 1.0 - mask_rate(bottom_mask)


def mask_rate(mask: Array) -> float:
    """The share of entries of a mask that are True.

    Args:
        mask: (N,), (N, 1) or (N, K) bool.

    Raises:
        ArrayError: another shape or dtype, or no entry.
    """
    xp = namespace(mask=mask)
    check_masks("mask", mask, mask=mask)
    check_kind(xp, "bool", mask=mask)
    entries = mask.shape[0] if mask.ndim == 1 else mask.shape[0] * mask.shape[1]
    if not entries:
        raise ArrayError(
            f"mask has shape {tuple(mask.shape)} and no entry, so no share is known",
            found=tuple(mask.shape),
        )
    return count(xp, mask) / int(entries)
