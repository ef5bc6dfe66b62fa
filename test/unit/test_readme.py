"""README is true: its tables come from the code, its code runs, its commands exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from zeroproof_ros.pipeline import Reason, Source, TableLayout

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    line.split("    #")[0].split("   #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
# Which file holds the ParameterSpec table of a node.
PARAMETER_MODULES = {
    "strict_ik_node": "strict_ik_parameters",
    "monitor_node": "monitor_parameters",
    "arm_simulator_node": "arm_simulator_node",
}


def parameter_table(module: str) -> str:
    lines = ["| parameter | default | allowed | at run time | meaning |", "|---|---|---|---|---|"]
    for spec in import_module(f"zeroproof_ros.nodes.{module}").PARAMETERS:
        allowed = spec.constraints.replace("|", "/")
        meaning = spec.description.replace("|", r"\|")
        dynamic = "yes" if spec.dynamic else "no"
        lines.append(
            f"| `{spec.name}` | `{json.dumps(spec.default)}` | {allowed} | {dynamic} | {meaning} |"
        )
    return "\n".join(lines)


@pytest.mark.parametrize("node", PARAMETER_MODULES)
def test_parameter_tables_are_those_of_the_nodes(node: str) -> None:
    pytest.importorskip("rclpy", reason="the tables are in the nodes' modules")
    assert parameter_table(PARAMETER_MODULES[node]) in README


def test_columns_and_codes_are_those_of_the_table() -> None:
    layout = TableLayout(("<feature>",), ("<output>",))
    names = re.findall(
        r"`([^`]+)`", "".join(re.findall(r"^\| (`[^|]+) \| (?:float|uint)", README, re.MULTILINE))
    )
    assert names == [column.name for column in layout.columns]
    for reason in Reason:
        assert f"\n| {reason} {reason.name.lower()} |" in README
    assert ", ".join(f"{source} {source.name.lower()}" for source in Source) in README


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_code_runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "import torch" in code:
        pytest.importorskip("torch", reason="torch, which the code needs")
        pytest.importorskip("onnxscript", reason="onnxscript, which torch exports with")
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 -- our own README


def test_launch_commands_and_table_name_files_and_arguments_that_exist() -> None:
    arguments = {path.name: declared_arguments(path) for path in (ROOT / "launch").iterdir()}
    table = dict(re.findall(r"^\| `(\w+\.launch\.py)` \| (.*) \|$", README, re.MULTILINE))
    assert {name: re.findall(r"`(\w+)`", names) for name, names in table.items()} == arguments
    for command in COMMANDS:
        words = shlex.split(command)
        if words[:2] == ["ros2", "launch"]:
            assert {word.split(":=")[0] for word in words[4:]} <= set(arguments[words[3]])


def test_every_command_is_run_somewhere() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in COMMANDS:
        program, *rest = shlex.split(command)
        if program == "make":
            assert f"\n{rest[0]}:" in makefile, command
        elif program == "python3":
            assert rest[:2] == ["-m", "zeroproof_ros"], command
        else:
            # What only a machine with ROS installed has.
            assert program in {"rosdep", "colcon", "source", "ros2"}, command


def test_the_export_command_writes_a_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="writes the graph")
    from zeroproof_ros.cli import main

    (command,) = [words for words in map(shlex.split, COMMANDS) if "export-exact" in words]
    robot = ROOT / command[command.index("--robot") + 1]
    out = command[command.index("--out") + 1]
    monkeypatch.chdir(tmp_path)
    assert main(["export-exact", "--robot", str(robot), "--out", out]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: my_arm@")


def declared_arguments(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "DeclareLaunchArgument"
        and isinstance(call.args[0], ast.Constant)
    ]
