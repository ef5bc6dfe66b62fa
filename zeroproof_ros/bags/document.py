"""report.json: what an evaluation found, as data, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zeroproof_ros.bags.against import against_recorded, result_topic
from zeroproof_ros.bags.agreement import PLACE, ROUTES, answered_by_both
from zeroproof_ros.bags.answering import ORIGIN
from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.figures import figures_of, unsafe_accepts
from zeroproof_ros.bags.limits import SCHEMA_FILE, Limits, check_names, judge
from zeroproof_ros.bags.page import page
from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.bags.targets import target_topic
from zeroproof_ros.bundle.strict_json import check_by, schema_validator
from zeroproof_ros.errors import BagError
from zeroproof_ros.files import write_files
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import StrictIK
from zeroproof_ros.report.splits import short

# So many rows that bundles disagree on are told; all are counted.
TOLD = 50
REPORT_FILE, PAGE_FILE = "report.json", "report.html"


def document(
    evaluations: Sequence[Evaluation],
    limits: Limits,
    *,
    against: str | None,
    tolerance: float,
) -> dict[str, Any]:
    """What report.json says, but for how long it took; the same for the same recordings.

    Args:
        evaluations: of the same recordings, by one bundle or by two.
        limits: what the figures must keep.
        against: the topic of recorded results that must be found again, None for none.
        tolerance: of numbers that are held against recorded ones, see `agreement.differences`.

    Raises:
        ConfigError: see `judge` and `answered_by_both`.
        BagError: see `against_recorded`.
    """
    parts = [_part(evaluation, limits, against, tolerance) for evaluation in evaluations]
    both = len(evaluations) > 1
    found = {
        "schema_name": "zeroproof_ros_evaluation",
        "schema_version": 1,
        "complete": all(evaluation.complete for evaluation in evaluations)
        and not any(part["against"] and part["against"]["problems"] for part in parts),
        "passed": all(gate["passed"] for part in parts for gate in part["gates"]),
        "serving": asdict(evaluations[0].serving),
        "evaluations": parts,
        "disagreement": _disagreement(*evaluations) if both else None,
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def check_ahead(
    paths: Sequence[Path | str],
    ik: StrictIK,
    limits: Limits,
    *,
    topic: str | None,
    against: str | None,
) -> None:
    """Refuse now what would be refused when all is evaluated, which may take long.

    Raises:
        ConfigError: a limit of a figure that does not exist.
        BagError: a recording that can not be read, or without one of the topics.
    """
    none = np.zeros(0, dtype=ik.layout.dtype), np.zeros(0, dtype=ORIGIN)
    check_names(limits, figures_of(Evaluation(ik, Serving(), (), *none)))
    for path in paths:
        with Recording(path) as recording:
            targets = target_topic(recording, topic)
            if against is not None:
                result_topic(recording, targets, against)


def write_report(
    out: Path, found: Mapping[str, Any], evaluations: Sequence[Evaluation], seconds: float
) -> None:
    """Write what was found as REPORT_FILE, with the time it took, and as PAGE_FILE for people.

    Raises:
        BagError: a file can not be written.
    """
    rows = sum(len(evaluation.rows) for evaluation in evaluations)
    run = {"seconds": seconds, "rows_per_second": rows / seconds if seconds else None}
    told = {**found, "run": run}
    check_by(
        schema_validator(__package__, SCHEMA_FILE, "report"), told, out / REPORT_FILE, BagError
    )
    contents = {
        REPORT_FILE: json.dumps(told, indent=2, allow_nan=False) + "\n",
        PAGE_FILE: page(told, evaluations),
    }
    try:
        write_files(out, {name: content.encode("utf-8") for name, content in contents.items()})
    except OSError as error:
        raise BagError(f"{out} can not be written: {error}", path=out) from error


def _part(
    evaluation: Evaluation, limits: Limits, against: str | None, tolerance: float
) -> dict[str, Any]:
    figures = figures_of(evaluation)
    gates = judge(limits, figures)
    compared = None
    if against is not None:
        found = against_recorded(evaluation, against, tolerance)
        gates.append(found.gate)
        compared = {"topic": against, "tolerance": tolerance, **asdict(found)}
    return {
        "bundle": _bundle(evaluation),
        "bags": [asdict(bag) for bag in evaluation.bags],
        "figures": figures,
        "unsafe": unsafe_accepts(evaluation).why,
        "gates": [asdict(gate) for gate in gates],
        "against": compared,
    }


def _bundle(evaluation: Evaluation) -> dict[str, Any]:
    bundle, deployment = evaluation.ik.bundle, evaluation.ik.deployment
    return {
        "id": bundle.id,
        "digest": bundle.digest,
        "path": str(bundle.path),
        "graph": bundle.kind.name.lower(),
        "providers": list(bundle.runtime.providers),
        "tau_infer": bundle.config.tau_infer,
        "tau_train": bundle.config.tau_train,
        "robot": deployment.robot_type,
        "link_lengths": list(deployment.link_lengths),
        "base_frame": deployment.base_frame,
        "features": list(deployment.features),
        "outputs": list(deployment.outputs),
        "output_kind": deployment.output_kind.value,
        "model": dict(deployment.model),
        "validation": dict(deployment.validation),
    }


def _disagreement(a: Evaluation, b: Evaluation) -> dict[str, Any]:
    """Rows that end differently, and how far apart the answers of the others are."""
    first, second = answered_by_both(a, b)
    ours, theirs = a.rows[first], b.rows[second]
    routes = {name: ours[name] != theirs[name] for name in ROUTES}
    differ = np.logical_or.reduce(list(routes.values()))
    both = (ours["source"] != 0) & (theirs["source"] != 0)
    apart = np.abs(ours["resolved"] - theirs["resolved"]).max(axis=1)[both]
    levels = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {
        "rows": len(ours),
        "differing": int(np.count_nonzero(differ)),
        "by_column": {name: int(np.count_nonzero(rows)) for name, rows in routes.items()},
        "answers_apart": {
            name: short(float(np.quantile(apart, level))) if apart.size else None
            for name, level in levels.items()
        },
        "first": [
            {
                **{name: int(a.origin[name][first[i]]) for name in PLACE},
                **{
                    name: [int(ours[name][i]), int(theirs[name][i])]
                    for name, rows in routes.items()
                    if rows[i]
                },
            }
            for i in np.flatnonzero(differ)[:TOLD]
        ],
    }


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it; a number that is not finite becomes its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
