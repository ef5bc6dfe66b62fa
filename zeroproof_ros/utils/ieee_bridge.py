"""The bridge to IEEE 754 numbers, under the path of the ZeroProofML documents."""

from zeroproof_ros.contract import from_ieee, to_ieee

__all__ = ["from_ieee", "to_ieee"]
