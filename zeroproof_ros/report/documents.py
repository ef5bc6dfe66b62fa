"""What stands beside the validation report: the inference summary and the audit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.pipeline import Reason, Source
from zeroproof_ros.report.splits import SERVERS, Split, numbers, rates_of, short
from zeroproof_ros.report.validation import ValidationReport

# How many rows the audit shows of each kind.
SHOWN = 10


def inference_summary(report: ValidationReport) -> dict[str, Any]:
    """The judged split in the few figures that a deployment is compared by."""
    split = report.splits[report.judged]
    return {
        "schema_name": "zeroproof_ros_inference_summary",
        "schema_version": 1,
        "bundle_digest": report.bundle.digest,
        "split": report.judged,
        "tau_infer": report.bundle.config.tau_infer,
        "tau_train": report.bundle.config.tau_train,
        "n_eval": len(split.rows),
        "decoded_shape": list(split.decoded_shape),
        "rates": rates_of(split),
        "residuals": report.summary["residuals"],
        "passed": report.passed,
    }


def strict_inference_audit(report: ValidationReport) -> dict[str, Any]:
    """What became of every row, by split, and the rows that an auditor looks at first."""
    splits, start = [], 0
    for name, split in report.splits.items():
        stop = start + len(split.rows)
        splits.append({"split": name, "sample_start": start, "sample_stop": stop, **_fates(split)})
        start = stop
    return {
        "schema_name": "zeroproof_ros_strict_inference_audit",
        "schema_version": 1,
        "bundle_digest": report.bundle.digest,
        "tau_infer": report.bundle.config.tau_infer,
        "tau_train": report.bundle.config.tau_train,
        "policy": report.summary["policy"],
        "det_bound": report.summary["det_bound"],
        "n_eval": start,
        "splits": splits,
        "worst_served": {
            name: _shown(report, _worst(report, source)) for name, source in SERVERS.items()
        },
        "not_served": _shown(report, _not_served(report)),
    }


def _fates(split: Split) -> dict[str, Any]:
    masks, rows = split.masks, split.rows
    return {
        "sample_count": masks.n,
        "sample_invalid_count": masks.bottom,
        "sample_provenance_breakdown": {
            "finite": masks.accept,
            "fault": masks.fault - masks.mixed,
            "semantic": masks.semantic - masks.mixed,
            "mixed": masks.mixed,
            "unspecified": masks.unspecified,
        },
        "sources": {s.name.lower(): int(np.count_nonzero(rows["source"] == s)) for s in Source},
        "reasons": {r.name.lower(): int(np.count_nonzero(rows["reason"] == r)) for r in Reason},
    }


def _worst(report: ValidationReport, source: Source) -> dict[str, NDArray[np.intp]]:
    """The rows with the largest residuals that a source served, by split, the worst first."""
    found = {}
    for name, split in report.splits.items():
        served = np.flatnonzero(split.rows["source"] == source)
        if served.size:
            order = np.argsort(-split.rows["residual"][served], kind="stable")
            found[name] = served[order[:SHOWN]]
    return found


def _not_served(report: ValidationReport) -> dict[str, NDArray[np.intp]]:
    """The first rows that nobody served although there is an arm, by split."""
    return {
        name: np.flatnonzero(split.rows["source"] == Source.NONE)[:SHOWN]
        for name, split in report.splits.items()
        if split.determinant is not None
    }


def _shown(report: ValidationReport, found: dict[str, NDArray[np.intp]]) -> list[dict[str, Any]]:
    shown = []
    for name, indices in found.items():
        split = report.splits[name]
        for index in indices.tolist():
            row = split.rows[index]
            determinant = None if split.determinant is None else float(split.determinant[index])
            shown.append(
                {
                    "split": name,
                    "row": index,
                    "in": numbers(row["in"]),
                    "resolved": numbers(row["resolved"]),
                    "q_abs": short(float(row["q_abs"])),
                    "abs_determinant": short(determinant),
                    "residual": short(float(row["residual"])),
                    "reason": Reason(row["reason"]).name.lower(),
                }
            )
    return shown
