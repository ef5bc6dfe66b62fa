"""What serves: a loaded `StrictIK` -> DiagnosticStatus -> what a monitor has to know of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.messages.diagnostics import OK, status_to_msg, values_from_msg
from zeroproof_ros.monitor import ValidatedRates
from zeroproof_ros.pipeline import StrictIK

VALIDATED = {field.name: f"validated_{field.name}" for field in fields(ValidatedRates)}
NOT_VALIDATED = "not_validated"


@dataclass(frozen=True)
class Info:
    """What a monitor has to know of a bundle.

    Attributes:
        bundle_id, digest: of the bundle, empty where nothing serves.
        validated: what it did when it was validated, None where that is not known.
        not_validated: why it is not.
    """

    bundle_id: str
    digest: str
    validated: ValidatedRates | None
    not_validated: str


def info_to_msg(ik: StrictIK, name: str) -> DiagnosticStatus:
    """Bundle, provider, thresholds, validated rates, arm, policy and columns, as key and value."""
    bundle, deployment = ik.bundle, ik.deployment
    return status_to_msg(
        name,
        hardware_id=bundle.id,
        level=OK,
        message=f"{bundle.id} serves",
        values={
            "bundle_dir": bundle.path,
            "bundle_digest": bundle.digest,
            "graph": bundle.kind.name.lower(),
            "thresholds_in_graph": bundle.thresholds_in_graph,
            "providers": bundle.runtime.providers,
            "placement": bundle.placement,
            "tau_infer": bundle.config.tau_infer,
            "tau_train": bundle.config.tau_train,
            **_validated_to_text(deployment.validation),
            "robot": deployment.robot_type,
            "link_lengths": deployment.link_lengths,
            "joint_names": deployment.joint_names,
            "base_frame": deployment.base_frame,
            "output_kind": deployment.output_kind.value,
            **asdict(ik.policy),
            "columns": tuple(column.name for column in ik.layout.columns),
        },
    )


def nothing_to_msg(name: str) -> DiagnosticStatus:
    """What is said while no bundle is loaded."""
    return status_to_msg(name, hardware_id="", level=OK, message="nothing serves", values={})


def info_from_msg(message: DiagnosticStatus) -> Info:
    """What `info_to_msg` and `nothing_to_msg` say of the bundle and its validated rates."""
    values = values_from_msg(message)
    validated, why = None, values.get(NOT_VALIDATED, "")
    if not why:
        told = {name: values[key] for name, key in VALIDATED.items() if key in values}
        try:
            validated = ValidatedRates.of({"rates": {k: _number(v) for k, v in told.items()}})
        except ConfigError as error:
            why = str(error)
    return Info(message.hardware_id, values.get("bundle_digest", ""), validated, why)


def _validated_to_text(validation: Mapping[str, Any]) -> dict[str, str]:
    """The validated rates to their last digit, since they are compared with."""
    try:
        rates = ValidatedRates.of(validation)
    except ConfigError as error:
        return {NOT_VALIDATED: str(error)}
    return {VALIDATED[name]: repr(value) for name, value in asdict(rates).items()}


def _number(text: str) -> object:
    """The number in a text, or the text, which is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
