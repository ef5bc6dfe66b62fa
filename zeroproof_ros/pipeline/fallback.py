"""What to do with decoded entries that may not be used: reject or replace them.

Masks are those of `contract.arrays`. An entry that is not finite is treated as a bottom in all of
them, whatever its mask says.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from zeroproof_ros.contract import adopt_masks
from zeroproof_ros.contract.arrays import Array, namespace, spread
from zeroproof_ros.errors import ConfigError


def reject_on_bottom(decoded: Array, bottom_mask: Array) -> tuple[Array, Array]:
    """Accept what has a value, risky or not.

    Args:
        decoded: (N,) or (N, K) float.
        bottom_mask: (N,), (N, 1) or (N, K) bool.

    Returns:
        decoded_safe: shape of `decoded`, NaN where rejected.
        accept_mask: shape of `bottom_mask`, bool; what is accepted is finite.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    result = adopt_masks(decoded, bottom_mask, bottom_mask)
    return result.decoded, ~result.bottom_mask


def reject_on_gap(decoded: Array, bottom_mask: Array, gap_mask: Array) -> tuple[Array, Array]:
    """Accept what has a value that is not risky.

    Args:
        decoded: (N,) or (N, K) float.
        bottom_mask: (N,), (N, 1) or (N, K) bool.
        gap_mask: as `bottom_mask`, not necessarily the same of the three.

    Returns:
        decoded_safe: shape of `decoded`, NaN where rejected.
        accept_mask: shape of `bottom_mask`, bool; what is accepted is finite.

    Raises:
        ArrayError: shapes or dtypes other than the above.
    """
    result = adopt_masks(decoded, bottom_mask, gap_mask)
    return reject_on_bottom(result.decoded, result.bottom_mask | result.gap_mask)


def safe_sentinel(decoded: Array, invalid_mask: Array, sentinel: float) -> Array:
    """Put a number in the place of what has no value.

    The number can not be told from a value any more, so keep the mask.

    Args:
        decoded: (N,) or (N, K) float.
        invalid_mask: (N,), (N, 1) or (N, K) bool.
        sentinel: finite, also in the dtype of `decoded`.

    Returns:
        Shape and dtype of `decoded`, finite everywhere.

    Raises:
        ArrayError: shapes or dtypes other than the above.
        ConfigError: a sentinel that is not finite.
    """
    result = adopt_masks(decoded, invalid_mask, invalid_mask)
    xp = namespace(decoded=decoded)
    filler = _as_finite(xp, sentinel, decoded.dtype)
    return xp.where(spread(result.bottom_mask, decoded), filler, decoded)


def _as_finite(xp: Any, sentinel: object, dtype: Any) -> Array:
    if isinstance(sentinel, Real):
        with np.errstate(over="ignore"):
            filler = xp.asarray(float(sentinel), dtype=dtype)
        if math.isfinite(float(filler)):
            return filler
    raise ConfigError(
        f"sentinel is {sentinel!r}, expected a number that is finite in {dtype}",
        found=sentinel,
        expected=f"finite in {dtype}",
    )
