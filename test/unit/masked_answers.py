"""Answers with masks of every shape the contract takes, and what the rule of shapes means."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def answers(draw: st.DrawFn, masks: int = 2) -> tuple[Any, ...]:
    """(decoded, bottom, gap, ...), masks not necessarily of one shape."""
    n, k = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    decoded = (n, k) if draw(st.booleans()) else (n,)
    shapes = st.sampled_from([decoded] if len(decoded) == 1 else [(n,), (n, 1), (n, k)])
    return (
        draw(hnp.arrays(np.float32, decoded, elements=st.floats(width=32))),
        *(draw(hnp.arrays(np.bool_, draw(shapes))) for _ in range(masks)),
    )


def full(mask: Any, values: Any) -> Any:
    """A mask, entry by entry of the values."""
    column = mask if mask.ndim == values.ndim else mask[:, None]
    return np.broadcast_to(column, values.shape)


def rows(mask: Any) -> Any:
    """A mask, row by row: marked where any entry is."""
    return mask if mask.ndim == 1 else mask.any(axis=1)


def as_shape(mask: Any, like: Any) -> Any:
    """A mask in the shape of another."""
    if mask.shape == like.shape:
        return mask
    return np.broadcast_to(rows(mask).reshape(-1, *[1] * (like.ndim - 1)), like.shape)


def lost(decoded: Any, like: Any) -> Any:
    """Where a value is not finite, in the shape of a mask."""
    bad = ~np.isfinite(decoded)
    if bad.shape == like.shape:
        return bad
    return rows(bad).reshape(like.shape)
