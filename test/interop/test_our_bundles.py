"""Bundles of zeroproof_ros read by zeroproofml: it takes them, and answers as we do."""

from __future__ import annotations

import pytest
from answers import STABLE, differences, our_answer
from cases import OURS, VERSIONS, Case
from readings import Folders, Readings
from rows import batches

from zeroproof_ros.bundle import load_bundle

every_version = pytest.mark.parametrize("version", VERSIONS)
every_strict = pytest.mark.parametrize(
    "case", [case for case in OURS if case.form != "projective"], ids=lambda case: case.name
)


@every_strict
@every_version
def test_bundle_is_valid(case: Case, version: str, readings: Readings) -> None:
    assert readings[version, case.name].said["validated"] == "accepted"


@every_strict
@every_version
def test_answers_are_ours(case: Case, version: str, folders: Folders, readings: Readings) -> None:
    bundle = load_bundle(folders[case.name])
    theirs = readings[version, case.name].answers
    for batch, rows in batches(case.model).items():
        found = differences(rows, our_answer(bundle, rows), theirs[batch], STABLE)
        assert found == [], batch


@every_strict
def test_0_5_1_finds_the_model_in_the_bundle(case: Case, readings: Readings) -> None:
    said = readings["0.5.1", case.name].said
    assert "needs" not in said
    # Its masks have the shape of P where ours have that of Q.
    differs = slice(2, 3) == case.model.Q
    assert said["smoke"].endswith("shape mismatch" if differs else "accepted")


@every_strict
def test_0_6_1_runs_it_as_unverified(case: Case, readings: Readings) -> None:
    said = readings["0.6.1", case.name].said
    assert said["refused"].startswith("ValueError: Unverified legacy schema-v1 bundle")
    assert said["needs"] == "allow_unverified_legacy=True"
    # Its smoke test has no such argument.
    assert said["smoke"] == said["refused"]


@every_version
def test_a_projective_bundle_is_refused_for_its_outputs(version: str, readings: Readings) -> None:
    (case,) = [case for case in OURS if case.form == "projective"]
    said = readings[version, case.name].said
    expected = "ValueError: Unexpected bundle output names/order: ['numerator', 'denominator']"
    assert said["validated"].startswith(expected)
    assert said["refused"] == said["validated"]
    assert "needs" not in said
