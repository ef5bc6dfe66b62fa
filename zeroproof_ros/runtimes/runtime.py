"""What the rest of the package asks of a loaded model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


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
