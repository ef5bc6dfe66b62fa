"""Losses, under the path of the ZeroProofML documents.

What needs torch is loaded when it is touched, and not before.
"""

from typing import TYPE_CHECKING, Any

from zeroproof_ros.lazy import load_lazily

if TYPE_CHECKING:
    from zeroproof_ros.training.losses import (
        gauge_loss,
        implicit_loss,
        margin_loss,
        rejection_loss,
        separation_loss,
        sign_loss,
    )

__all__ = [
    "gauge_loss",
    "implicit_loss",
    "margin_loss",
    "rejection_loss",
    "separation_loss",
    "sign_loss",
]

_TORCH = dict.fromkeys(__all__, "zeroproof_ros.training.losses")


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, name, _TORCH)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
