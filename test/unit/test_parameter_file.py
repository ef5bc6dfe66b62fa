"""Parameters of a node from a file, as the node would take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="the parameters of a node are declared with it")

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.nodes.parameter_file import read_parameter_file
from zeroproof_ros.nodes.strict_ik_parameters import PARAMETERS, serving_of

CONFIG = Path(__file__).parents[2] / "config"
SIDES = ("left", "right")
DEFAULTS = {spec.name: spec.default for spec in PARAMETERS}


def given(path: Path, text: str) -> dict[str, Any]:
    """What a file changes."""
    path.write_text(text, encoding="utf-8")
    found = read_parameter_file(path, "strict_ik_node", PARAMETERS)
    assert list(found) == list(DEFAULTS)
    return {name: value for name, value in found.items() if value != DEFAULTS[name]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "parameters.yaml"


def test_the_shipped_files(file: Path) -> None:
    assert given(file, (CONFIG / "strict_ik.yaml").read_text("utf-8")) == {}
    assert given(file, (CONFIG / "demo.yaml").read_text("utf-8")) == {"step_duration": 0.02}
    values = read_parameter_file(CONFIG / "strict_ik.yaml", "strict_ik_node", PARAMETERS)
    assert serving_of(values) == Serving()


@pytest.mark.parametrize(
    "key",
    [
        *("strict_ik_node", "/strict_ik_node", "/left/strict_ik_node", "/left/arm/strict_ik_node"),
        *("/**", "**", "/*", "*", "/**/strict_ik_node", "/*/strict_ik_node", "/left/**", "/**/*"),
    ],
)
def test_a_block_counts_by_its_last_name(file: Path, key: str) -> None:
    block = f"'{key}': {{ros__parameters: {{max_batch: 7, step_duration: 1, unheard_of: [1]}}}}"
    other = "/other_node: {ros__parameters: {max_batch: 8}}"
    for text in (f"{block}\n{other}", f"{other}\n{block}"):
        assert given(file, text) == {"max_batch": 7, "step_duration": 1.0}


def test_a_later_block_goes_before_an_earlier_one(file: Path) -> None:
    texts = [
        "/**: {ros__parameters: {max_batch: 1, target_depth: 2}}",
        "strict_ik_node: {ros__parameters: {max_batch: 3}}",
    ]
    assert given(file, "\n".join(texts)) == {"max_batch": 3, "target_depth": 2}
    assert given(file, "\n".join(texts[::-1])) == {"max_batch": 1, "target_depth": 2}


def test_namespaces_may_be_nested(file: Path) -> None:
    text = "left: {arm: {strict_ik_node: {ros__parameters: {max_batch: 7}}}}"
    assert given(file, text) == {"max_batch": 7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "".join(f"/{side}/strict_ik_node: {{ros__parameters: {{}}}}\n" for side in SIDES),
            "parameters for /left/strict_ik_node, /right/strict_ik_node, expected one strict_ik_n",
        ),
        ("/other: {ros__parameters: {a: 1}}", "parameters for /other, expected one strict_ik_node"),
        ("{}", "parameters for no node, expected one strict_ik_node"),
        ("", "is no parameter file, expected `<node>: ros__parameters: <parameter>: <value>`"),
        ("- a", "is no parameter file"),
        ("strict_ik_node: {max_batch: 7}", "is no parameter file"),
        ("strict_ik_node: {ros__parameters: [1]}", "is no parameter file"),
        ("ros__parameters: {max_batch: 7}", "parameters for no node|is no parameter file"),
        ("5: {ros__parameters: {}}", "key '5' is given twice or is no text"),
        ("/**: {ros__parameters: {max_batch: 0}}", "parameter max_batch is 0, expected int 1 to"),
        ("/**: {ros__parameters: {max_batch: 1.5}}", "parameter max_batch is 1.5, expected int"),
        ("/**: {ros__parameters: {max_batch: '1'}}", "parameter max_batch is '1', expected int"),
        ("/**: {ros__parameters: {step_duration: .nan}}", "parameter step_duration is nan"),
        ("/**: {ros__parameters: {step_duration: true}}", "parameter step_duration is True"),
        ("/**: {ros__parameters: {step_duration: 1e-2}}", "parameter step_duration is '1e-2'"),
        (
            "/**: {ros__parameters: {gap_policy: ignore}}",
            "is 'ignore', expected str fallback | acc",
        ),
        ("/**: {ros__parameters: {gap_policy: }}", "parameter gap_policy is None"),
        ("/**: {ros__parameters: {max_batch: 1, max_batch: 2}}", "key 'max_batch' is given twice"),
    ],
)
def test_a_file_that_no_node_would_take_is_refused(file: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        given(file, text)
