"""What the rest of the package asks of a loaded model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.errors import ArrayError


@dataclass(frozen=True)
class TensorSpec:
    """Name, dtype (numpy's name for it) and shape of an input or output of a graph.

    A dimension is a number, or the name of a dimension that is free.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Runtime(Protocol):
    """A loaded model with one input table."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of the graph."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs of the graph, in its order."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, the preferred one first."""

    def run(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the graph's order for rows (N, F).

        Raises:
            ArrayError: rows of another rank, width or kind.
            ModelRunError: the model raised while running.
        """


def as_table(rows: NDArray[Any], width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows (N, width) of any real dtype as the contiguous table a model takes.

    Another rank or width is refused, since a 1-D array could mean one row as well as one column.

    Raises:
        ArrayError: rows of another rank, width or kind.
    """
    if rows.ndim != 2 or rows.shape[1] != width or rows.dtype.kind not in "fiu":
        raise ArrayError(
            f"rows have shape {rows.shape} and dtype {rows.dtype}, expected (N, {width}) "
            "real numbers; give one row as rows[None, :]",
            found=rows.shape,
            expected=("N", width),
        )
    return np.ascontiguousarray(rows, dtype=dtype)
