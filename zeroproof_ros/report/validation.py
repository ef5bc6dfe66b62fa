"""The validation report as one document that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, Deployment, OutputKind
from zeroproof_ros.calibration import default_det_bound
from zeroproof_ros.contract.config import check_threshold
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.pipeline import Policy
from zeroproof_ros.report.gates import (
    calibration_gate,
    model_gate,
    rate_gates,
    safety_gate,
    smoke_gate,
)
from zeroproof_ros.report.splits import (
    Split,
    answer_splits,
    numbers,
    rates_of,
    residuals_of,
    short,
    strata_of,
    sweep_of,
    why_no_sweep,
)
from zeroproof_ros.runtimes import TensorSpec
from zeroproof_ros.smoke import random_rows, smoke

# What is drawn for a bundle that comes without rows: its name, and by default how many.
DRAWN = "report"
ROWS = 20_000
# Of the smoke test: each is also answered alone.
SMOKE_ROWS = 1000
NO_ARM = "the bundle has no deployment block, so there is no arm to check answers by"


@dataclass(frozen=True, eq=False)
class ValidationReport:
    """What was measured on a bundle.

    Attributes:
        bundle: the bundle.
        policy: by which it was served.
        splits: its rows as they were answered, by name.
        judged: the split that the gates, strata and pictures are about.
        det_bound: |det J| below which no row may be accepted [m^n], None without an arm.
        summary: what VALIDATION_REPORT.summary.json holds; the same for the same bundle.
        median_seconds: of the model alone, by number of rows; empty where it did not run.
    """

    bundle: Bundle
    policy: Policy
    splits: Mapping[str, Split]
    judged: str
    det_bound: float | None
    summary: Mapping[str, Any]
    median_seconds: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return bool(self.summary["passed"])


def drawn_rows(bundle: Bundle, *, rows: int = ROWS, seed: int = 0) -> NDArray[np.float64]:
    """Rows (N, F) over the whole workspace of a bundle's arm, from a seed."""
    return random_rows(bundle, rows, np.random.default_rng(seed))


def validation_report(
    bundle: Bundle,
    splits: Mapping[str, NDArray[Any]] | None = None,
    *,
    judged: str = DRAWN,
    rows: int = ROWS,
    seed: int = 0,
    det_bound: float | None = None,
    calibration_refused: str | None = None,
) -> ValidationReport:
    """Measure a bundle and judge it.

    Args:
        bundle: a loaded bundle.
        splits: rows (N, F) by name; without any, one split "report" is drawn here.
        judged: the split that is judged.
        rows: how many rows are drawn.
        seed: of the rows that are drawn, and of those of the smoke test.
        det_bound: no row with |det J| below it may be accepted [m^n], > 0; a share of the largest
            |det J| of the arm if None.
        calibration_refused: why no thresholds could be chosen, where that was tried; then a gate
            fails by it.

    Raises:
        ConfigError: a judged split that is not there.
        ThresholdError: a bound that is not finite and > 0.
        ArrayError: a split without rows, or of other columns.
        ModelRunError: see `answer_splits`.
    """
    given = splits is not None
    arm = None if bundle.deployment is None else bundle.deployment.arm
    tables = {DRAWN: drawn_rows(bundle, rows=rows, seed=seed)} if splits is None else splits
    if judged not in tables:
        raise ConfigError(
            f"the judged split is {judged!r}, expected one of {', '.join(map(repr, tables))}",
            found=judged,
            expected=tuple(tables),
        )
    if det_bound is not None:
        check_threshold("det_bound", det_bound)
    if arm is None:
        det_bound = None
    elif det_bound is None:
        det_bound = default_det_bound(arm)
    policy = Policy()
    answered = answer_splits(bundle, tables, policy)
    smoked = smoke(bundle, rows=SMOKE_ROWS, seed=seed)
    split = answered[judged]
    gates = [
        *rate_gates(split.rates if given or arm is not None else None),
        model_gate(split),
        smoke_gate(smoked["failures"]),
        safety_gate(answered, bundle.deployment, policy, det_bound),
        *([calibration_gate(calibration_refused)] if calibration_refused else []),
    ]
    summary = {
        **_head(bundle, policy),
        "judged": judged,
        "drawn": None if given else {"rows": rows, "seed": seed},
        "det_bound": short(det_bound),
        "splits": {name: rates_of(each) for name, each in answered.items()},
        **_sections(bundle, split, det_bound),
        "smoke": {
            "rows": smoked["rows"],
            "checks": smoked.get("checks", []),
            "warnings": smoked.get("warnings", []),
            "failures": {name: each["what"] for name, each in smoked["failures"].items()},
        },
        "gates": [asdict(gate) for gate in gates],
        "passed": all(gate.passed for gate in gates),
    }
    seconds = smoked.get("median_seconds", {})
    return ValidationReport(bundle, policy, answered, judged, det_bound, summary, seconds)


def _head(bundle: Bundle, policy: Policy) -> dict[str, Any]:
    deployment = bundle.deployment
    return {
        "schema_name": "zeroproof_ros_validation_report",
        "schema_version": 1,
        "bundle_digest": bundle.digest,
        "files": files_of(bundle),
        "graph": bundle.kind.name.lower(),
        "thresholds": {
            "tau_infer": bundle.config.tau_infer,
            "tau_train": bundle.config.tau_train,
            "in_graph": bundle.thresholds_in_graph,
        },
        "inputs": _tensors(bundle.runtime.inputs),
        "outputs": _tensors(bundle.runtime.outputs),
        "robot": None if deployment is None else _robot(deployment),
        "policy": asdict(policy),
    }


def _sections(bundle: Bundle, split: Split, det_bound: float | None) -> dict[str, Any]:
    """What needs an arm or |Q|, and why it is not there."""
    deployment, omitted = bundle.deployment, {}
    residuals = strata = curves = None
    if deployment is None or det_bound is None:
        omitted = dict.fromkeys(("residuals", "strata", "heat maps"), NO_ARM)
    else:
        delta = deployment.output_kind is OutputKind.JOINT_DELTA
        residuals = {"unit": "1" if delta else "m", **residuals_of(split)}
        strata = strata_of(split, deployment.arm.max_determinant, det_bound)
    why = why_no_sweep(bundle, split)
    if why is not None:
        omitted["calibration"] = why
    elif det_bound is not None:
        curves = sweep_of(split, bundle.config.tau_infer, det_bound)
    return {"residuals": residuals, "strata": strata, "calibration": curves, "omitted": omitted}


def _robot(deployment: Deployment) -> dict[str, Any]:
    limits = deployment.arm.limits
    return {
        "type": deployment.robot_type,
        "link_lengths": numbers(deployment.link_lengths),
        "max_determinant": short(deployment.arm.max_determinant),
        "joint_names": list(deployment.joint_names),
        "position_lower": numbers(limits.lower),
        "position_upper": numbers(limits.upper),
        "velocity": numbers(limits.velocity),
        "features": list(deployment.features),
        "outputs": list(deployment.outputs),
        "output_kind": deployment.output_kind.value,
    }


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": s.name, "dtype": s.dtype, "shape": list(s.shape)} for s in specs]


def files_of(bundle: Bundle) -> list[dict[str, Any]]:
    """Name, bytes and SHA-256 of every file a bundle was made from."""
    return [{"name": f.name, "bytes": f.size, "sha256": f.sha256} for f in bundle.files]
