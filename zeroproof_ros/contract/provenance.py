"""Why an entry has no value."""

from enum import IntEnum


class BottomProvenance(IntEnum):
    """Codes of `bottom_provenance`; MIXED is a non-finite input *and* a small denominator."""

    FINITE = 0
    FAULT = 1
    SEMANTIC = 2
    MIXED = 3
