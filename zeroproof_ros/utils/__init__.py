"""Utilities, under the paths of the ZeroProofML documents."""
