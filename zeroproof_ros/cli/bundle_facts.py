"""What is to be said of a bundle that loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from zeroproof_ros.bundle import Bundle, Deployment
from zeroproof_ros.bundle.metadata import METADATA_FILE
from zeroproof_ros.runtimes import TensorSpec

# What makers write for people to read, which changes nothing and which nothing checks.
TOLD = ("created_utc", "package", "python", "torch", "git", "opset")


def validate(bundle: Bundle, *, pinned: bool) -> Mapping[str, Any]:
    """What was checked while the bundle was loaded, in the order it was.

    Args:
        bundle: a loaded bundle.
        pinned: whether its digest was compared with an expected one.
    """
    told = bundle.metadata
    declared = [key for key in ("model_bytes", "model_sha256") if key in told]
    sides = [key for key in ("inputs", "outputs") if key in told]
    weights = [f.name for f in bundle.files if f.name not in (METADATA_FILE, told["model_file"])]
    return {
        **_head(bundle),
        "checked": {
            "files": f"{len(bundle.files)} regular files inside the folder, each read once",
            "metadata": "strict JSON, known versions, keeps the schema, contradicts itself nowhere",
            "model": _listed(declared),
            "expected_digest": "agrees" if pinned else "none was given",
            "graph": "default ONNX operators only, no functions, no graphs inside, within limits",
            "weights": f"in {', '.join(weights)}" if weights else "inside the model",
            "deployment": _deployment_check(bundle.deployment),
            "thresholds": _thresholds_check(bundle),
            "signature": f"names agree; dtypes and shapes: {_listed(sides)}",
            "provider": f"{', '.join(bundle.runtime.providers)} runs it",
            "answer": "two rows were answered in time, in shapes that fit the contract",
        },
    }


def inspect(bundle: Bundle, *, device: str) -> Mapping[str, Any]:
    """Everything there is to know of a bundle.

    Args:
        bundle: a loaded bundle.
        device: what was asked for.
    """
    told, deployment = bundle.metadata, bundle.deployment
    return {
        **_head(bundle),
        "digest_command": f"sha256sum {' '.join(f.name for f in bundle.files)} | sha256sum",
        "files": {f.name: {"bytes": f.size, "sha256": f.sha256} for f in bundle.files},
        "runs": {
            "runtime": f"ONNX Runtime {onnxruntime.__version__}",
            "device": device,
            "providers": list(bundle.runtime.providers),
            "placement": bundle.placement,
        },
        "graph": bundle.kind.name.lower(),
        "inputs": _tensors(bundle.runtime.inputs),
        "outputs": _tensors(bundle.runtime.outputs),
        "thresholds": {
            "tau_infer": bundle.config.tau_infer,
            "tau_train": bundle.config.tau_train,
            "found": _thresholds_check(bundle),
        },
        "schema": {key: told.get(key) for key in ("format_version", "schema_version")},
        "told_but_not_checked": {key: told[key] for key in TOLD if key in told},
        "deployment": None if deployment is None else _deployment(deployment),
        "model": {} if deployment is None else deployment.model,
        "validation": {} if deployment is None else deployment.validation,
    }


def _head(bundle: Bundle) -> dict[str, Any]:
    return {"id": bundle.id, "path": str(bundle.path), "digest": bundle.digest}


def _listed(agreeing: Sequence[str]) -> str:
    return f"{' and '.join(agreeing)} agree" if agreeing else "none are told"


def _thresholds_check(bundle: Bundle) -> str:
    return {
        True: "read from the graph, which decodes by itself, and agree",
        False: "not readable from the graph, which decodes by itself: the metadata stands alone",
        None: "not in the graph: it is decoded here, by those of the metadata",
    }[bundle.thresholds_in_graph]


def _deployment_check(deployment: Deployment | None) -> str:
    if deployment is None:
        return "none: an arm has to be given by whoever serves the bundle"
    return f"{deployment.robot_type}; its names fit each other and the graph"


def _tensors(specs: Sequence[TensorSpec]) -> dict[str, Any]:
    return {spec.name: {"dtype": spec.dtype, "shape": list(spec.shape)} for spec in specs}


def _deployment(deployment: Deployment) -> dict[str, Any]:
    features, limits = deployment.features, deployment.arm.limits
    return {
        "robot_type": deployment.robot_type,
        "link_lengths": list(deployment.link_lengths),
        "joint_names": list(deployment.joint_names),
        "position_lower": limits.lower.tolist(),
        "position_upper": limits.upper.tolist(),
        "velocity": limits.velocity.tolist(),
        "base_frame": deployment.base_frame,
        "features": list(features),
        "joint_features": [features[i] for i in deployment.joint_columns],
        "task_features": [features[i] for i in deployment.task_columns],
        "outputs": list(deployment.outputs),
        "output_kind": deployment.output_kind.value,
    }
