"""Answers of a bundle: what the contract makes of those of others, and how two differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle

# Arrays by name: decoded, bottom_mask, gap_mask, and where known why an entry is bottom.
Answer = Mapping[str, NDArray[Any]]
STABLE = ("decoded", "bottom_mask", "gap_mask")
FIELDS = (*STABLE, "fault_mask", "semantic_bottom_mask")


def our_answer(bundle: Bundle, rows: NDArray[Any]) -> Answer:
    """What zeroproof_ros answers."""
    result = bundle.run(rows)
    return {name: np.asarray(getattr(result, name)) for name in FIELDS}


def under_contract(theirs: Answer) -> Answer:
    """Their answer as zeroproof_ros has to give it.

    Every mask takes the shape of `bottom_mask`. An accepted value that is not finite is a fault and
    so bottom, and no bottom is a gap. A graph with three outputs does not say why an entry is
    bottom: that counts as semantic.
    """
    decoded, bottom = theirs["decoded"], theirs["bottom_mask"]
    semantic = theirs.get("semantic_bottom_mask", bottom)
    fault = theirs.get("fault_mask", np.zeros_like(bottom)) | accepted_faults(theirs)
    merged = bottom | fault
    return {
        "decoded": np.where(
            merged if decoded.ndim == merged.ndim else merged[:, None], np.nan, decoded
        ),
        "bottom_mask": merged,
        "gap_mask": np.broadcast_to(theirs["gap_mask"], bottom.shape) & ~merged,
        "fault_mask": fault,
        "semantic_bottom_mask": np.broadcast_to(semantic, bottom.shape),
    }


def accepted_faults(theirs: Answer) -> NDArray[np.bool_]:
    """Where a value is accepted that is not finite, in the shape of `bottom_mask`."""
    decoded, bottom = theirs["decoded"], theirs["bottom_mask"]
    faults = ~np.isfinite(decoded)
    if faults.shape != bottom.shape:
        faults = any_in_row(faults).reshape(bottom.shape)
    return ~bottom & faults


def any_in_row(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether any entry of a row (N,) is set."""
    return mask if mask.ndim == 1 else mask.any(axis=1)


def differences(
    rows: NDArray[Any], expected: Answer, found: Answer, fields: tuple[str, ...] = FIELDS
) -> list[str]:
    """One line for each row and field that is not the same to the bit; a NaN equals a NaN."""
    lines = []
    for name in fields:
        a, b = expected[name], found[name]
        if a.shape != b.shape:
            lines.append(f"{name} has shape {b.shape}, expected {a.shape}")
            continue
        same = a == b
        if name == "decoded":
            same = same & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)
        lines += [
            f"row {i} {rows[i].tolist()}: {name} {b[i].tolist()}, expected {a[i].tolist()}"
            for i in np.flatnonzero(any_in_row(~same))
        ]
    return lines
