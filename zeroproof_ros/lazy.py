"""Public names whose modules need a library that a robot does without."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load_lazily(owner: str, name: str, modules: Mapping[str, str]) -> Any:
    """What `name` of the module `owner` is, from the module that defines it.

    Args:
        owner: the module that was asked, for messages.
        name: what it was asked for.
        modules: where each lazy name is defined.

    Raises:
        AttributeError: a name that is not among them.
        ModuleNotFoundError: a library that is not installed here; the message names both.
    """
    if name not in modules:
        raise AttributeError(f"module {owner!r} has no attribute {name!r}")
    try:
        return getattr(import_module(modules[name]), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} needs {error.name}, which is not installed here; to run a bundle it is not "
            "needed",
            name=error.name,
        ) from error
