"""The documents are true: their tables come from the code, and what they tell to run is run."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zeroproof_ros import errors
from zeroproof_ros.cli.bundle import EXIT_CODES

ROOT = Path(__file__).parents[2]
DOCS = runpy.run_path(str(ROOT / "test" / "write_docs.py"))
PARTS, SCHEMA = DOCS["PARTS"], DOCS["SCHEMA"]
TEXTS = {path: path.read_text("utf-8") for path in DOCS["DOCUMENTS"]}
BUNDLE_TEXT = TEXTS[ROOT / "docs" / "bundle.md"]
# What differs between machines, versions and bundles: digests and numbers, and file sizes.
VARIES = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12}|-?[0-9]+(?:[.][0-9]+)*(?:e[-+][0-9]+)?)\b")


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_what_the_code_says(name: str) -> None:
    (document,) = (text for text in TEXTS.values() if f"<!-- {name} -->" in text)
    found, expected = DOCS["part_of"](document, name), PARTS[name]()
    if name.startswith("output of "):
        found, expected = VARIES.sub("#", found), VARIES.sub("#", expected)
    if expected is not None:
        assert found == expected, "run make docs"


def test_every_marker_has_a_part_and_an_end() -> None:
    for path, text in TEXTS.items():
        names = re.findall(r"^<!-- (.*) -->$", text, re.MULTILINE)
        assert names[1::2] == ["end"] * (len(names) // 2), path
        assert set(names[::2]) <= set(PARTS), path


def test_parts_are_written_between_their_markers_only() -> None:
    stale = "before\n<!-- limits -->\nold\n<!-- end -->\nbetween\n<!-- checks -->\n<!-- end -->\n"
    new = DOCS["written"](stale)
    assert new.startswith(f"before\n<!-- limits -->\n{PARTS['limits']()}<!-- end -->\nbetween\n")
    assert new.endswith(f"<!-- checks -->\n{PARTS['checks']()}<!-- end -->\n")
    assert DOCS["written"](new) == new
    with pytest.raises(KeyError, match="unheard of"):
        DOCS["written"]("<!-- unheard of -->\n<!-- end -->\n")


def test_every_property_of_the_schema_has_a_reason() -> None:
    for root in (SCHEMA, SCHEMA["$defs"]["deployment"]):
        for key, _, prop in DOCS["properties"]("", root):
            # a sentence, not a word
            assert len(prop.get("description", "").split()) > 4, key


def test_every_property_of_the_schema_is_in_a_table() -> None:
    told = set(re.findall(r"^\| `([\w.\[\]]+)` \|", BUNDLE_TEXT, re.MULTILINE))
    told = {key.rsplit(".", 1)[-1].removesuffix("[]") for key in told}
    assert set(property_names(SCHEMA)) <= told


def property_names(schema: Any) -> Iterator[str]:
    """The keys of every `properties` anywhere in a schema, without knowing how it is made."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from property_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from property_names(value)


def test_the_table_says_what_is_required_and_allowed() -> None:
    for row in (
        "| `format_version` | yes | `1` | Another version",
        "| `model_sha256` | with schema_version 2 | string, `^[0-9a-f]{64}$` | SHA-256 of",
        "| `input_names` | yes | list, 1 to 1 entries, each a string, 1 to 200 characters | One",
        "| `tau_train` |  | number or null, > 0 | Below it \\|Q\\| is risky",
        "| `inputs[].shape` | yes | list, 0 to 4 entries, each a (whole number, >= 0) or (string",
        "| `batch_axis_semantics.input_axes` |  | object, of `0` by name | ",
        "| `deployment` |  | object, no other keys | ",
        "| `deployment.robot.position_limits.lower` | yes | list, 1 to 256 entries, each a number",
        "| `deployment.features` | yes | list, 1 to 256 entries, no two alike, each a string, 1",
        '| `deployment.output_kind` | yes | `"joint_delta"` or `"joint_position"` | ',
    ):
        assert f"\n{row}" in BUNDLE_TEXT


def test_every_limit_is_told() -> None:
    package = ROOT / "zeroproof_ros"
    constants = {
        (".".join(path.relative_to(package).with_suffix("").parts), name)
        for path in [*(package / "bundle").glob("*.py"), package / "runtimes" / "onnx.py"]
        for name in re.findall(r"^(MAX_\w+|\w+_SECONDS) = ", path.read_text("utf-8"), re.MULTILINE)
    }
    assert constants == set(DOCS["LIMITS"])


def test_every_refusal_of_a_bundle_is_told() -> None:
    table = re.findall(r"^\| `(\w+Error)` \| \S.* \| \S.* \|$", BUNDLE_TEXT, re.MULTILINE)
    refusals = {error.__name__ for error in errors.BundleError.__subclasses__()}
    *own, provider, load_error, run_error = table
    assert sorted(own) == sorted(refusals)
    for name in (provider, load_error, run_error):
        assert issubclass(getattr(errors, name), errors.ZeroProofError)


def test_exit_codes_are_told_as_the_help_tells_them() -> None:
    assert EXIT_CODES in " ".join(BUNDLE_TEXT.split())


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{path.name}-{number}")
        for path, text in TEXTS.items()
        for number, block in enumerate(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))
    ]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout to a reader of the documents, to be written to."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("script", blocks("bash"))
def test_commands_run(script: str, checkout: Path) -> None:
    shell = 'set -euo pipefail\npython3() { "$PYTHON" "$@"; }\n'
    done = subprocess.run(
        ["/bin/bash", "-c", shell + script],
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", blocks("python"))
def test_python_code_runs(code: str, checkout: Path) -> None:
    exec(compile(code, "docs", "exec"), {})  # noqa: S102 -- our own documents
