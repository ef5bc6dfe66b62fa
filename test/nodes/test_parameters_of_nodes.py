"""Parameters: at the start, at run time, from files."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from client import Client
from node_process import ROOT, Start
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from strict_harness import BOTTOM, BUNDLE, GAP, GOOD, Serve, StrictHarness

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.nodes import arm_simulator_node, monitor_parameters, strict_ik_parameters
from zeroproof_ros.pipeline import Reason, Source

CONFIG = ROOT / "config"
TABLES = {
    "strict_ik_node": strict_ik_parameters.PARAMETERS,
    "monitor_node": monitor_parameters.PARAMETERS,
    "arm_simulator_node": arm_simulator_node.PARAMETERS,
}


@pytest.fixture(scope="module")
def node(serve_shared: Serve) -> StrictHarness:
    return serve_shared(target_type="multi_array", command_type="multi_array", step_duration=1)


def fates(node: StrictHarness) -> list[tuple[Source, Reason]]:
    """Source and reason of a good, a bottom and a gap row."""
    (table,), _ = node.ask(node.target(GOOD, BOTTOM, GAP))
    return list(zip(map(Source, table["source"]), map(Reason, table["reason"]), strict=True))


def test_policies_take_effect_at_run_time(node: StrictHarness) -> None:
    model, solver, nobody = Source.MODEL, Source.ANALYTIC, Source.NONE
    good = (model, Reason.OK)
    for policies, bottom, gap in (
        ({}, (solver, Reason.BOTTOM), (solver, Reason.GAP)),
        ({"gap_policy": "accept"}, (solver, Reason.BOTTOM), (model, Reason.OK)),
        ({"bottom_policy": "reject"}, (nobody, Reason.BOTTOM), (model, Reason.OK)),
        ({"gap_policy": "reject"}, (nobody, Reason.BOTTOM), (nobody, Reason.GAP)),
        (
            {"bottom_policy": "fallback", "gap_policy": "fallback"},
            (solver, Reason.BOTTOM),
            (solver, Reason.GAP),
        ),
    ):
        if policies:
            assert node.set(**policies).successful
            node.wait(
                lambda p=policies: p.items() <= values_from_msg(node.infos[-1]).items(),
                f"~/info with {policies}",
            )
        assert fates(node) == [good, bottom, gap]
    node.expect(rows=20, served=17, stamps_unknown=10, rejected_bottom=2, rejected_gap=1)
    # what no model passes, the solver has to serve
    assert node.set(residual_tolerance=1e-9, motion_tolerance=1e-6).successful
    (table,), _ = node.ask(node.target(GOOD), commanded=False)
    assert (table["source"][0], table["reason"][0]) == (nobody, Reason.FALLBACK_FAILED)
    assert node.set(residual_tolerance=0.05, motion_tolerance=0.9).successful
    assert fates(node)[0] == good
    node.recount()


def test_an_integer_will_do_for_a_float(node: StrictHarness) -> None:
    assert node.get("step_duration") == [1]
    assert node.set(step_duration=2).successful
    node.wait(lambda: values_from_msg(node.infos[-1])["step_duration"] == "2", "~/info")
    assert node.set(step_duration=0.1).successful


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step_duration", -1.0),
        ("step_duration", 0.0),
        ("step_duration", math.nan),
        ("step_duration", math.inf),
        ("step_duration", "long"),
        ("step_duration", [0.1]),
        ("step_duration", None),
        ("target_timeout", -0.5),
        ("residual_tolerance", 1.0),
        ("motion_tolerance", True),
        ("position_tolerance", 0),
        ("max_batch", 0),
        ("max_batch", 1.5),
        ("max_batch", True),
        ("bottom_policy", "solver"),
        ("bottom_policy", "accept"),
        ("gap_policy", ""),
        ("bundle_dir", 5),
        # read-only
        ("device", "cpu"),
        ("autostart", False),
        ("target_type", "joint_state"),
        ("target_depth", 5),
        ("command_type", "joint_state"),
    ],
)
def test_a_value_that_is_refused_is_named_and_changes_nothing(
    node: StrictHarness, name: str, value: Any
) -> None:
    before, infos = node.get(name), len(node.infos)
    result = node.set(**{name: value})
    assert not result.successful
    assert name in result.reason
    assert node.get(name) == before
    assert len(node.infos) == infos


def test_a_set_is_taken_whole_or_not_at_all(node: StrictHarness) -> None:
    before = node.get("residual_tolerance", "gap_policy")
    response = node.client.call(
        SetParametersAtomically,
        f"/{node.name}/set_parameters_atomically",
        parameters=[
            Parameter("residual_tolerance", value=0.5).to_parameter_msg(),
            Parameter("gap_policy", value="sometimes").to_parameter_msg(),
        ],
    )
    assert not response.result.successful
    assert response.result.reason == (
        "parameter gap_policy is 'sometimes', expected str fallback | accept | reject"
    )
    assert node.get("residual_tolerance", "gap_policy") == before
    assert fates(node)[0] == (Source.MODEL, Reason.OK)


def test_parameters_describe_themselves(node: StrictHarness) -> None:
    specs = strict_ik_parameters.PARAMETERS
    described = node.client.call(
        DescribeParameters,
        f"/{node.name}/describe_parameters",
        names=[spec.name for spec in specs],
    ).descriptors
    for spec, descriptor in zip(specs, described, strict=True):
        assert descriptor.description == spec.description
        assert descriptor.read_only == (not spec.dynamic)


WRONG_STARTS = {
    "no number": (
        "strict_ik_node",
        {"step_duration": "abc"},
        "parameter step_duration is 'abc', expected float 0.0001 to 60",
    ),
    "out of range": ("strict_ik_node", {"residual_tolerance": 2.0}, "residual_tolerance"),
    "no choice": (
        "strict_ik_node",
        {"bottom_policy": "solver"},
        "parameter bottom_policy is 'solver', expected str fallback | reject",
    ),
    "no whole number": ("strict_ik_node", {"max_batch": 1.5}, "parameter max_batch is 1.5"),
    "no file": ("monitor_node", {"event_file": "/dev/null/events"}, "event file /dev/null/events"),
    "no QoS": (
        "monitor_node",
        {"qos_overrides./monitor_node/rates.publisher.reliability": "sure"},
        "Unexpected QoS override for policy `reliability`: `sure`",
    ),
    "no robot": ("arm_simulator_node", {}, "parameter deployment_file is empty"),
    "no such robot": (
        "arm_simulator_node",
        {"deployment_file": "/nonexistent.yaml"},
        "/nonexistent.yaml is not a readable file",
    ),
}


def test_a_wrong_start_ends_with_1_and_one_line(start: Start) -> None:
    processes = [
        (start(module, **parameters), message)
        for module, parameters, message in WRONG_STARTS.values()
    ]
    processes.append((start("monitor_node", "--params-file", "/nonexistent"), "/nonexistent"))
    for process, message in processes:
        process.expected_code = 1
        assert process.wait() == 1
        line = process.output.splitlines()[-1]
        assert line.startswith("can not start: "), process.output
        assert message in line


@pytest.mark.parametrize("name", ["strict_ik", "monitor"])
def test_the_file_of_a_node_has_all_its_defaults_and_nothing_else(name: str) -> None:
    content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text("utf-8"))
    defaults = {spec.name: spec.default for spec in TABLES[f"{name}_node"]}
    assert content == {"/**": {"ros__parameters": defaults}}
    found = content["/**"]["ros__parameters"]
    assert [type(value) for value in found.values()] == list(map(type, defaults.values()))


def test_the_file_of_the_demo_has_valid_parameters_only() -> None:
    content = yaml.safe_load((CONFIG / "demo.yaml").read_text("utf-8"))
    for pattern, section in content.items():
        specs = {spec.name: spec for spec in TABLES[pattern.removeprefix("/**/")]}
        for name, value in section["ros__parameters"].items():
            assert specs[name].check(value) == value


def test_nodes_start_with_their_files(start: Start, serve: Serve, client: Client) -> None:
    monitor = start(
        "monitor_node",
        *("-r", "__node:=filed_monitor", "--params-file", str(CONFIG / "monitor.yaml")),
    )
    # -p comes after the file, and wins
    given = {"bundle_dir": str(BUNDLE), "target_depth": 10, "target_timeout": 9.0}
    node = serve("--params-file", str(CONFIG / "strict_ik.yaml"), **given)
    specs = {spec.name: spec.default for spec in strict_ik_parameters.PARAMETERS}
    assert node.get(*specs) == list((specs | given).values())
    client.call(DescribeParameters, "/filed_monitor/describe_parameters", names=["window"])
    assert monitor.running


def test_the_files_that_parameters_name_are_read_when_asked(serve: Serve, tmp_path: Path) -> None:
    """A robot file with other joint names serves after ~/reload, and a broken one does not."""
    node = serve()
    robot = (CONFIG / "robots" / "planar_2r.yaml").read_text("utf-8")
    file = tmp_path / "robot.yaml"
    file.write_text(robot.replace("[joint1, joint2]", "[shoulder, elbow]"))
    assert node.set(deployment_file=str(file)).successful
    _, (command,) = node.ask(node.target(GOOD))
    assert list(command.joint_names) == ["joint1", "joint2"]
    assert node.reload().success
    node.clear()
    node.publisher.publish(node.target(GOOD))
    node.wait(lambda: node.commands, "a command")
    assert list(node.commands[0].joint_names) == ["shoulder", "elbow"]
    file.write_text(robot.replace("1.0, 0.8", "1.0, 0.7"))
    answer = node.reload()
    assert not answer.success
    assert "link_lengths is (1.0, 0.7), expected (1.0, 0.8)" in answer.message


def test_a_pinned_node_serves_that_bundle_and_no_other(serve: Serve, tmp_path: Path) -> None:
    pinned = load_bundle(BUNDLE).digest
    node = serve(expected_digest=pinned)
    other = shutil.copytree(BUNDLE, tmp_path / "other")
    metadata = other / "metadata.json"
    metadata.write_text(metadata.read_text("utf-8") + "\n", encoding="utf-8")
    assert node.set(bundle_dir=str(other)).successful
    answer = node.reload()
    assert not answer.success
    assert f"serves on: {other} has the digest {load_bundle(other).digest}" in answer.message
    assert node.set(expected_digest=load_bundle(other).digest).successful
    assert node.reload().success
    node.ask(node.target(GOOD))


def test_a_node_that_may_choose_its_device_says_what_it_measured(serve: Serve) -> None:
    node = serve(device="auto")
    values = values_from_msg(node.wait(lambda: node.infos, "~/info")[-1])
    assert values["providers"] in {"CPUExecutionProvider", "CUDAExecutionProvider"}
    assert values["placement"].startswith("auto, measured with 1 rows: cpu ")
