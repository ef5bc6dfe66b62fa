"""Arrays of any library, and the one rule of the shapes of masks.

Rows are the first axis. What is told about values, a mask or the denominator they share, has one of
these shapes:

    values (N,)     (N,)              one per row
    values (N, K)   (N,) or (N, 1)    one per row
                    (N, K)            one per entry

Everything else is refused, so nothing is ever spread to (N, N), and a vector belongs to the rows
even where its length fits the columns. Where masks of one answer differ in shape, they are brought
to that of the bottom mask: one per row marks all entries of its row, and a row is marked by any of
its entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroproof_ros.errors import ArrayError

# Any array of a library the array API knows: numpy, torch, ...
Array = Any

# Its scalars count, so that they are refused by their shape.
_NUMPY = (np.ndarray, np.generic)
# The kinds of dtype that are asked for, in the words of the array API and of numpy.
_NUMPY_KINDS = {"real floating": "f", "integral": "iu", "bool": "b"}


def namespace(**arrays: Array) -> Any:
    """The functions of the library that all of the arrays, given by name, belong to.

    Raises:
        ArrayError: they are not arrays, or not all of one library.
    """
    for array in arrays.values():
        if not isinstance(array, _NUMPY):
            break
    else:
        return np
    told = " and ".join(f"{name} is {type(array).__name__}" for name, array in arrays.items())
    types = tuple(map(type, arrays.values()))
    if not all(hasattr(array, "dtype") for array in arrays.values()):
        raise ArrayError(
            f"{told}, expected arrays (numpy, torch, ...); wrap lists with numpy.asarray",
            found=types,
        )
    try:
        # Not needed on a robot, where every array is numpy's.
        from array_api_compat import array_namespace

        return array_namespace(*arrays.values())
    except ModuleNotFoundError as error:
        raise ArrayError(
            f"{told}; for arrays that are not all numpy's, install array-api-compat",
            found=types,
        ) from error
    except TypeError as error:
        raise ArrayError(f"{told}, expected arrays of one library", found=types) from error


def check_kind(xp: Any, kind: str, **arrays: Array) -> None:
    """Refuse arrays, given by name, of another kind of dtype.

    Args:
        xp: the namespace of the arrays.
        kind: "real floating", "integral" or "bool".

    Raises:
        ArrayError: a dtype of another kind.
    """
    for name, array in arrays.items():
        dtype = array.dtype
        fits = dtype.kind in _NUMPY_KINDS[kind] if xp is np else xp.isdtype(dtype, kind)
        if not fits:
            raise ArrayError(f"{name} has dtype {dtype}, expected {kind}", found=dtype)


def check_masks(name: str, values: Array, **masks: Array) -> None:
    """Refuse masks or denominators, given by name, that break the rule of this module.

    Args:
        name: what a message calls the values.
        values: (N,) or (N, K).

    Raises:
        ArrayError: shapes other than the rule's.
    """
    p = tuple(values.shape)
    allowed: list[tuple[int, ...]]
    if len(p) == 1:
        allowed = [p]
    elif len(p) == 2:
        allowed = [p[:1], (p[0], 1), p]
    else:
        allowed = []
    for mask_name, mask in masks.items():
        q = tuple(mask.shape)
        if q not in allowed:
            choices = " or ".join(map(str, allowed)) or f"{name} of shape (N,) or (N, K)"
            raise ArrayError(
                f"{name} has shape {p} and {mask_name} has shape {q}, expected {choices}",
                found=(p, q),
                expected=allowed,
            )


def spread(mask: Array, values: Array) -> Array:
    """A mask, or a denominator, in a shape that broadcasts to that of `values`."""
    return mask if values.ndim == mask.ndim else mask[:, None]


def all_sharing(xp: Any, per_value: Array, mask: Array) -> Array:
    """Where every value that shares an entry of `mask` is marked, in the shape of `mask`."""
    if per_value.shape == mask.shape:
        return per_value
    return xp.reshape(xp.all(per_value, axis=1), mask.shape)


def in_shape_of(xp: Any, like: Array, mask: Array) -> Array:
    """`mask` in the shape of the mask `like`, by the rule of this module."""
    if mask.shape == like.shape:
        return mask
    row = per_row(xp, mask)
    return xp.broadcast_to(row if like.ndim == 1 else row[:, None], like.shape)


def per_row(xp: Any, mask: Array) -> Array:
    """(N,), where any entry of a row of `mask` is marked."""
    return mask if mask.ndim == 1 else xp.any(mask, axis=1)


def as_dtype(xp: Any, array: Array, dtype: Any) -> Array:
    """`array` in another dtype; a tensor keeps its device and its gradients."""
    # numpy has the function of the array API since 2.1; torch warns of its `asarray`.
    if xp is np:
        return array.astype(dtype, copy=False)
    return xp.astype(array, dtype, copy=False)


def count(xp: Any, mask: Array) -> int:
    """How many entries of a mask are marked."""
    return int(xp.sum(as_dtype(xp, mask, xp.int64)))
