"""Graphs that decode by themselves decide as the strict decode of the same (P, Q)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from answers import any_in_row, our_answer
from cases import CASES, US, Case
from models import PAIRS
from readings import Folders
from rows import batches, pair

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.contract import InferenceConfig, strict_inference


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.model in PAIRS], ids=lambda case: case.name
)
@pytest.mark.parametrize("batch", ["special", "random"])
def test_rows_are_bottom_and_gap_alike(case: Case, batch: str, folders: Folders) -> None:
    taus = [case.model.tau_infer, case.model.tau_train]
    if case.maker != US:
        # Theirs are compared in float32, with thresholds rounded to it.
        taus = [tau if tau is None else float(np.float32(tau)) for tau in taus]
    rows = batches(case.model)[batch]
    P, Q = pair(case.model, rows)
    decoded = strict_inference(P, Q, InferenceConfig(*taus))
    answer = our_answer(load_bundle(folders[case.name]), rows)
    # 0.5.1 accepts P / inf = 0, and a strict graph keeps Q to itself.
    unseen = any_in_row(np.isinf(Q)) & (case.maker == "0.5.1")
    found = row_masks(answer["bottom_mask"], answer["gap_mask"])
    for name, mask in row_masks(decoded.bottom_mask, decoded.gap_mask).items():
        wrong = (mask != found[name]) & ~unseen
        assert rows[wrong].tolist() == [], f"{name} is {found[name][wrong]}"


def row_masks(bottom: Any, gap: Any) -> dict[str, Any]:
    """Whether a row (N,) is bottom or gap: gap only where no entry of it is bottom."""
    merged = any_in_row(bottom)
    return {"bottom": merged, "gap": any_in_row(gap) & ~merged}
