"""The file of a training that can go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zeroproof_ros.errors import CheckpointError
from zeroproof_ros.files import replacing

KEYS = {
    "epoch": int,
    "model_state_dict": dict,
    "optimizer_state_dict": dict,
    "best_state_dict": dict,
    "best_epoch": int,
    "history": dict,
    "config": dict,
}


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content`, whose keys are `KEYS`, as a file that torch.load reads.

    Raises:
        CheckpointError: the file can not be written; one that existed is as it was.
    """
    try:
        with replacing(path) as staging:
            torch.save(dict(content), staging)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError of a folder that is missing
        raise CheckpointError(f"{path} can not be written: {error}", path=path) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote, on the CPU, without executing anything in the file.

    Raises:
        CheckpointError: the file can not be read, or has other keys or kinds of values.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes of another origin fail in the parser, wherever it stumbles
        raise CheckpointError(f"{path} is not a readable checkpoint: {error}", path=path) from error
    kinds = {k: type(v) for k, v in found.items()} if isinstance(found, dict) else type(found)
    plain = isinstance(kinds, dict) and {
        key: dict if issubclass(kind, dict) else kind for key, kind in kinds.items()
    }
    if plain != KEYS:
        raise CheckpointError(
            f"{path} holds {kinds}, expected the keys {', '.join(KEYS)} of a checkpoint",
            found=kinds,
            expected=KEYS,
            path=path,
        )
    return dict(found)


def check_state(found: Mapping[str, Any], expected: Mapping[str, Tensor], path: Path) -> None:
    """Raise unless the weights have the names, shapes and dtypes of the model's.

    Raises:
        CheckpointError: the message names the first that differs.
    """
    for name in sorted({*found, *expected}, key=str):
        theirs, ours = _layout(found.get(name)), _layout(expected.get(name))
        if theirs != ours:
            raise CheckpointError(
                f"{path} is of another model: {name} is {theirs} there, expected {ours}",
                found=theirs,
                expected=ours,
                path=path,
            )


def _layout(value: Any) -> str:
    return f"{value.dtype}{tuple(value.shape)}" if isinstance(value, Tensor) else "no tensor"
