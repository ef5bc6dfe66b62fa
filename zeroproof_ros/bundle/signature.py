"""What the metadata says of inputs and outputs, compared with the graph and with its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zeroproof_ros.errors import GraphMismatchError
from zeroproof_ros.runtimes import Runtime

# More columns than any arm has features or joints.
MAX_COLUMNS = 4096


def check_signature(metadata: Mapping[str, Any], runtime: Runtime, path: Path) -> None:
    """Refuse metadata that names other inputs and outputs than the graph has.

    Raises:
        GraphMismatchError: names, their order, dtypes or shapes differ, or a table is too wide.
    """
    for side, specs in (("input", runtime.inputs), ("output", runtime.outputs)):
        names = [spec.name for spec in specs]
        _expect(f"{side}_names of the graph are", names, metadata[f"{side}_names"], path)
        for spec, told in zip(specs, metadata.get(f"{side}s", ()), strict=False):
            _expect(f"the dtype of {spec.name} in the graph is", spec.dtype, told["dtype"], path)
            if not _shapes_agree(spec.shape, told["shape"]):
                _expect(f"the shape of {spec.name} is", list(spec.shape), told["shape"], path)
        axis = metadata.get("batch_axis_semantics", {}).get("axis_name")
        for told in metadata.get(f"{side}s", ()) if axis else ():
            _expect(f"the first axis of {told['name']} is", told["shape"][:1], [axis], path)
    for spec in (*runtime.inputs, *runtime.outputs):
        for width in spec.shape[1:]:
            if isinstance(width, int) and not 0 < width <= MAX_COLUMNS:
                raise GraphMismatchError(
                    f"{path}: {spec.name} has {width} columns, expected 1 to {MAX_COLUMNS}",
                    found=width,
                    expected=MAX_COLUMNS,
                    path=path,
                )


def check_answer(metadata: Mapping[str, Any], outputs: Sequence[NDArray[Any]], path: Path) -> None:
    """Refuse a graph whose answer to two rows is not two rows of what the metadata says.

    Raises:
        GraphMismatchError: another number of rows or columns, rank or dtype.
    """
    told = metadata.get("outputs") or [None] * len(outputs)
    for name, output, tensor in zip(metadata["output_names"], outputs, told, strict=True):
        shape = output.shape
        if output.ndim not in (1, 2) or shape[0] != 2 or not 0 < shape[-1] <= MAX_COLUMNS:
            raise GraphMismatchError(
                f"{path}: 2 rows gave {name} of shape {shape}, expected (2,) or (2, K) with K up "
                f"to {MAX_COLUMNS}",
                found=shape,
                expected=(2, "K"),
                path=path,
            )
        if tensor is not None:
            _expect(f"the dtype of {name} is", output.dtype.name, tensor["dtype"], path)
            if not _shapes_agree(("batch", *shape[1:]), tensor["shape"]):
                _expect(f"2 rows gave {name} of shape", list(shape), tensor["shape"], path)


def _shapes_agree(found: Sequence[int | str], told: Sequence[int | str]) -> bool:
    """Whether two shapes may be the same: equal numbers, and the same free first axis.

    A graph may leave a later dimension open that the metadata fixes; the answer then tells.
    """
    if len(found) != len(told):
        return False
    for index, (here, there) in enumerate(zip(found, told, strict=True)):
        if isinstance(here, int) and isinstance(there, int) and here != there:
            return False
        if index == 0 and isinstance(here, int) is not isinstance(there, int):
            return False
    return True


def _expect(what: str, found: object, told: object, path: Path) -> None:
    if found != told:
        raise GraphMismatchError(
            f"{path}: {what} {found}, the metadata says {told}",
            found=found,
            expected=told,
            path=path,
        )
