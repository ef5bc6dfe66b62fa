"""The bridge to libraries that know only IEEE 754 numbers, where a bottom can only be a NaN."""

from __future__ import annotations

from zeroproof_ros.contract.arrays import Array, check_kind, check_masks, namespace
from zeroproof_ros.contract.strict import adopt_masks


def to_ieee(decoded: Array, bottom_mask: Array) -> Array:
    """Values with a NaN at every bottom, and nowhere an infinity.

    Args:
        decoded: (N,) or (N, K) float. What is not finite in it is bottom, whatever the mask says.
        bottom_mask: (N,), (N, 1) or (N, K) bool, see `contract.arrays`.

    Returns:
        (N,) or (N, K), shape and dtype of `decoded`; the numbers of accepted entries unchanged.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    # The gap does not change a value.
    return adopt_masks(decoded, bottom_mask, bottom_mask).decoded


def from_ieee(array: Array) -> tuple[Array, Array]:
    """Values and their bottom mask, from numbers where a NaN or an infinity means no value.

    Args:
        array: (N,) or (N, K) float.

    Returns:
        value: shape of `array`, NaN exactly where bottom.
        bottom_mask: shape of `array`, bool.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    xp = namespace(array=array)
    check_masks("array", array, array=array)
    check_kind(xp, "real floating", array=array)
    bottom = ~xp.isfinite(array)
    return xp.where(bottom, float("nan"), array), bottom
