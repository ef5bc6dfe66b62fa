"""The result table: one row per input row, with where its answer came from and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Reason, Source


@dataclass(frozen=True)
class Column:
    """One column as a reader of the table sees it: its name, byte offset in a row and dtype."""

    name: str
    offset: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class TableLayout:
    """The columns of a result table, from the names of a deployment.

    Args:
        features: names of the F input columns.
        outputs: names of the K answer columns.
    """

    features: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """One row; columns that belong together are one field with a second axis.

        Aligned like a C struct, so that readers which cast rows to a struct may do so.
        """
        F, K = (len(self.features),), (len(self.outputs),)
        return np.dtype(
            [
                *((axis, np.float32) for axis in "xyz"),
                ("in", np.float64, F),
                ("decoded", np.float64, K),
                ("resolved", np.float64, K),
                ("q_abs", np.float64),
                ("residual", np.float64),
                *((flag, np.uint8) for flag in ("bottom", "gap", "fault", "semantic")),
                *((code, np.uint8) for code in ("source", "reason")),
            ],
            align=True,
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns in order, those with a second axis as `<field>.<name>`."""
        return tuple(self._columns())

    def _columns(self) -> Iterator[Column]:
        names = {"in": self.features, "decoded": self.outputs, "resolved": self.outputs}
        for field in self.dtype.names or ():
            dtype, offset = self.dtype[field], self.dtype.fields[field][1]  # type: ignore[index]
            if field not in names:
                yield Column(field, offset, dtype)
                continue
            for index, name in enumerate(names[field]):
                yield Column(f"{field}.{name}", offset + index * dtype.base.itemsize, dtype.base)

    @classmethod
    def from_column_names(cls, names: Sequence[str]) -> TableLayout:
        """The layout whose columns have these names; the inverse of `columns`."""
        return cls(
            tuple(name[3:] for name in names if name.startswith("in.")),
            tuple(name[8:] for name in names if name.startswith("decoded.")),
        )

    def refused(self, inputs: NDArray[np.float64], reason: Reason) -> NDArray[Any]:
        """Rows that nothing was decoded for: bottom by fault, no value, source none.

        Args:
            inputs: (N, F) the input rows.
            reason: why.
        """
        rows = np.zeros(len(inputs), dtype=self.dtype)
        rows["in"] = inputs
        for field in ("x", "y", "z", "decoded", "resolved", "q_abs"):
            rows[field] = np.nan
        rows["residual"] = np.inf
        rows["bottom"] = rows["fault"] = 1
        rows["source"], rows["reason"] = Source.NONE, reason
        return rows


@dataclass(frozen=True, eq=False)
class ResultTable:
    """What became of N input rows.

    Attributes:
        layout: what the columns are called.
        rows: (N,) structured array of `layout.dtype`, with the fields
            x, y, z: tool position at the row's own joint positions, in the base frame [m];
            in: (F,) the input row;
            decoded: (K,) what the model answered, NaN where bottom;
            resolved: (K,) the answer that may be used, NaN where there is none;
            q_abs: |Q|, NaN where the graph does not give it;
            residual: of the answer by the check of its source, inf where there was no answer;
            bottom, gap, fault, semantic: the masks, 0 or 1;
            source, reason: codes of `Source` and `Reason`.
    """

    layout: TableLayout
    rows: NDArray[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, field: str) -> NDArray[Any]:
        """A field of all rows, (N,) or (N, K), as a view."""
        return np.asarray(self.rows[field])

    @property
    def served(self) -> NDArray[np.bool_]:
        """(N,) which rows have an answer that may be used."""
        # Source.NONE is 0
        return np.asarray(self.rows["source"].astype(bool))
