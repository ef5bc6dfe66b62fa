"""Runs the code of the ZeroProofML documents as it is written there, package name apart."""

from __future__ import annotations

from typing import Any


def run(snippet: str, **names: Any) -> dict[str, Any]:
    """The names that a snippet leaves, given those it takes for granted."""
    exec(snippet, names)  # noqa: S102 -- these are literals of the tests
    return names
