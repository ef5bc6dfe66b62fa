"""Who reads whose bundles: the table in docs/bundle.md is what this run measured."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from answers import (
    STABLE,
    Answer,
    accepted_faults,
    any_in_row,
    differences,
    our_answer,
    under_contract,
)
from cases import CASES, US, VERSIONS, Case
from numpy.typing import NDArray
from readings import Folders, Readings
from rows import batches

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import ZeroProofError

ROOT = Path(__file__).parents[2]
MAKERS = {
    ("0.5.1", "single_file"): "zeroproofml 0.5.1, one file",
    ("0.5.1", "external_data"): "zeroproofml 0.5.1, with `model.onnx.data` (its default)",
    ("0.6.1", "single_file"): "zeroproofml 0.6.1, one file (its default)",
    ("0.6.1", "external_data"): "zeroproofml 0.6.1, with `model.onnx.data`",
    (US, "strict"): "zeroproof_ros, exact model, strict",
    (US, "exported"): "zeroproof_ros, `export_bundle`",
    (US, "projective"): "zeroproof_ros, exact model, projective",
}
READERS = {**{version: f"zeroproofml {version}" for version in VERSIONS}, US: US}
LEGEND = """
The runtime of the maker is the reference. Equal is to the bit, values and masks, row by row.
Corrected are rows in which 0.5.1 accepts a value that is not finite, which is a fault and so bottom
here, or calls a bottom also a gap.
"""


def test_the_table_in_the_documents_is_this_one(folders: Folders, readings: Readings) -> None:
    lines = [
        f"| made by | {' | '.join(f'read by {name}' for name in READERS.values())} |",
        "|---" * (len(READERS) + 1) + "|",
    ]
    for (maker, form), title in MAKERS.items():
        cases = [case for case in CASES if (case.maker, case.form) == (maker, form)]
        cells = [cell(cases, reader, folders, readings) for reader in READERS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n" + LEGEND
    (Path(os.environ["INTEROP"]) / "matrix.md").write_text(table, encoding="utf-8")
    assert "different" not in table
    _, _, rest = (
        (ROOT / "docs" / "bundle.md").read_text("utf-8").partition("<!-- interop matrix -->\n")
    )
    written, _, _ = rest.partition("<!-- end -->\n")
    assert written == table, "run make docs"


def cell(cases: list[Case], reader: str, folders: Folders, readings: Readings) -> str:
    """What a reader makes of some bundles of one maker."""
    total = corrected = 0
    needs: Counter[str] = Counter()
    for case in cases:
        found = answers(case, reader, folders, readings)
        if isinstance(found, str):
            return f"refused: {found}"
        reference = answers(case, case.maker, folders, readings)
        assert not isinstance(reference, str), reference
        for batch, rows in batches(case.model).items():
            expected = reference[batch] if reader != US else under_contract(reference[batch])
            if differences(rows, expected, found[batch], STABLE):
                return f"different: {case.name}, {batch}"
            total += len(rows)
            if reader == US:
                corrected += int(faulty_rows(reference[batch]).sum())
            elif "needs" in readings[reader, case.name].said:
                needs[readings[reader, case.name].said["needs"]] += len(rows)
    words = [f"reference, {total} rows" if reader == cases[0].maker else f"equal, {total} rows"]
    words += [f"{corrected} of them corrected"] if corrected else []
    for need, rows in needs.items():
        words.append(f"{'' if rows == total else f'{rows} of them '}only with {need}")
    return ", ".join(words)


def faulty_rows(theirs: Answer) -> NDArray[np.bool_]:
    """Rows (N,) that break the contract."""
    return any_in_row(accepted_faults(theirs) | theirs["gap_mask"] & theirs["bottom_mask"])


def answers(
    case: Case, reader: str, folders: Folders, readings: Readings
) -> Mapping[str, Answer] | str:
    """Answers by batch, or the start of the refusal."""
    if reader != US:
        reading = readings[reader, case.name]
        return reading.answers or first_words(reading.said["refused"])
    try:
        bundle = load_bundle(folders[case.name])
    except ZeroProofError as error:
        return first_words(str(error))
    return {batch: our_answer(bundle, rows) for batch, rows in batches(case.model).items()}


def first_words(refusal: str) -> str:
    """A refusal without its class, and without what it found: ValueError: Odd names: ['a']."""
    return re.sub(r"^\w+: |:? *[\[(].*", "", refusal, flags=re.DOTALL)
