"""Rows through a loaded bundle, and the contract held against its answers."""

from zeroproof_ros.smoke.checks import smoke
from zeroproof_ros.smoke.rows import random_rows, smoke_rows

__all__ = ["random_rows", "smoke", "smoke_rows"]
