"""How models are made and exported.

What needs torch is loaded when it is touched, and not before.
"""

from typing import TYPE_CHECKING, Any

from zeroproof_ros.lazy import load_lazily

if TYPE_CHECKING:
    from zeroproof_ros.training.trainer import SCMTrainer

__all__ = ["SCMTrainer"]

_TORCH = {"SCMTrainer": "zeroproof_ros.training.trainer"}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, name, _TORCH)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
