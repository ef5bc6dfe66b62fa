"""Bundles of zeroproofml read by zeroproof_ros: its answers are theirs, row for row."""

from __future__ import annotations

import numpy as np
import pytest
from answers import (
    accepted_faults,
    differences,
    our_answer,
    under_contract,
)
from cases import THEIRS, Case
from models import PAIRS
from readings import Folders, Readings
from rows import batches

from zeroproof_ros.bundle import GraphKind, load_bundle

every_case = pytest.mark.parametrize("case", THEIRS, ids=lambda case: case.name)


@every_case
def test_bundle_loads_with_its_thresholds(case: Case, folders: Folders) -> None:
    bundle = load_bundle(folders[case.name])
    assert bundle.kind is (GraphKind.STRICT if case.maker == "0.5.1" else GraphKind.PROVENANCE)
    assert bundle.config.tau_infer == case.model.tau_infer
    assert bundle.config.tau_train == case.model.tau_train
    assert bundle.thresholds_in_graph
    assert bundle.deployment is None


@every_case
def test_external_data_is_there_only_where_it_is_meant(case: Case, folders: Folders) -> None:
    files = {path.name: path.stat().st_size for path in folders[case.name].iterdir()}
    assert ("model.onnx.data" in files) == (case.form == "external_data")
    if case.form == "external_data" and case.model.name == "network":
        assert files["model.onnx.data"] > 10_000


@every_case
def test_answers_are_those_of_their_runtime(
    case: Case, folders: Folders, readings: Readings
) -> None:
    bundle = load_bundle(folders[case.name])
    theirs = readings[case.maker, case.name].answers
    for batch, rows in batches(case.model).items():
        found = our_answer(bundle, rows)
        assert differences(rows, under_contract(theirs[batch]), found) == [], batch


@every_case
def test_provenance_codes_are_those_of_their_runtime(
    case: Case, folders: Folders, readings: Readings
) -> None:
    bundle = load_bundle(folders[case.name])
    for batch, rows in batches(case.model).items():
        theirs = readings[case.maker, case.name].answers[batch]
        assert ("bottom_provenance" in theirs) == (case.maker == "0.6.1")
        if case.maker == "0.6.1":
            found = our_answer(bundle, rows)
            codes = found["fault_mask"] + 2 * found["semantic_bottom_mask"]
            expected = {"codes": theirs["bottom_provenance"]}
            assert differences(rows, expected, {"codes": codes}, ("codes",)) == [], batch


every_pair = pytest.mark.parametrize(
    "case", [case for case in THEIRS if case.model in PAIRS], ids=lambda case: case.name
)


@every_pair
def test_only_0_5_1_accepts_what_is_not_finite(case: Case, readings: Readings) -> None:
    answers = readings[case.maker, case.name].answers.values()
    assert any(accepted_faults(answer).any() for answer in answers) == (case.maker == "0.5.1")


@every_pair
def test_only_0_5_1_calls_a_bottom_a_gap(case: Case, readings: Readings) -> None:
    answers = readings[case.maker, case.name].answers.values()
    found = any((answer["gap_mask"] & answer["bottom_mask"]).any() for answer in answers)
    assert found == (case.maker == "0.5.1" and case.model.tau_train is not None)


@pytest.mark.parametrize(
    ("p", "q", "theirs"),
    [
        (np.inf, 1.0, np.inf),
        (-np.inf, 1.0, -np.inf),
        (1e38, 0.05, np.inf),
        (np.inf, np.inf, np.nan),
    ],
)
def test_an_infinity_that_0_5_1_accepts_is_a_fault_here(
    p: float, q: float, theirs: float, folders: Folders, readings: Readings
) -> None:
    name = "0.5.1-external_data-one_value"
    (case,) = [case for case in THEIRS if case.name == name]
    rows = batches(case.model)["special"]
    (i,) = np.flatnonzero((rows == np.float32([p, q])).all(axis=1))
    answer = readings["0.5.1", name].answers["special"]
    np.testing.assert_equal(answer["decoded"][i], theirs)
    assert not answer["bottom_mask"][i]
    found = {field: mask[i] for field, mask in our_answer(load_bundle(folders[name]), rows).items()}
    assert np.isnan(found.pop("decoded"))
    assert found == {
        "bottom_mask": True,
        "gap_mask": False,
        "fault_mask": True,
        "semantic_bottom_mask": False,
    }
