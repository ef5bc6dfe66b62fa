"""The log of events, under the path of the ZeroProofML documents."""

from zeroproof_ros.monitor import JsonlLogger

__all__ = ["JsonlLogger"]
