"""The mask contract: the only place where bottom, gap and fault are decided."""

from zeroproof_ros.contract.censored import (
    CensoredClass,
    CensoredResult,
    decode_strict_censored_3way,
)
from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.contract.coverage import coverage_metric
from zeroproof_ros.contract.ieee import from_ieee, to_ieee
from zeroproof_ros.contract.provenance import BottomProvenance
from zeroproof_ros.contract.routes import Reason, Source
from zeroproof_ros.contract.strict import (
    ProvenanceResult,
    SplitMasksResult,
    StrictResult,
    adopt_masks,
    strict_inference,
)

__all__ = [
    "BottomProvenance",
    "CensoredClass",
    "CensoredResult",
    "InferenceConfig",
    "ProvenanceResult",
    "Reason",
    "Source",
    "SplitMasksResult",
    "StrictResult",
    "adopt_masks",
    "coverage_metric",
    "decode_strict_censored_3way",
    "from_ieee",
    "strict_inference",
    "to_ieee",
]
