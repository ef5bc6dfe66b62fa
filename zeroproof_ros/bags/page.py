"""report.html: one page that a person reads, without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from zeroproof_ros.bags.evaluation import Evaluation


def page(report: Mapping[str, Any], evaluations: Sequence[Evaluation]) -> str:
    """The page.

    Args:
        report: what report.json holds.
        evaluations: the rows it is about, one per bundle.
    """
    rows = sum(len(evaluation.rows) for evaluation in evaluations)
    told = escape(json.dumps(report, indent=1))
    return f"<!doctype html><meta charset=utf-8><h1>{rows} rows</h1><pre>{told}</pre>"
