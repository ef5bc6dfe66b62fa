"""The mask contract: the only place where bottom, gap and fault are decided."""

from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.contract.provenance import BottomProvenance
from zeroproof_ros.contract.strict import (
    ProvenanceResult,
    SplitMasksResult,
    StrictResult,
    adopt_masks,
    strict_inference,
)

__all__ = [
    "BottomProvenance",
    "InferenceConfig",
    "ProvenanceResult",
    "SplitMasksResult",
    "StrictResult",
    "adopt_masks",
    "strict_inference",
]
