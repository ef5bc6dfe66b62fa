"""The deployment block: every rule by breaking it, and the robot that may replace it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from zeroproof_ros.bundle import Bundle, Deployment, load_bundle, read_deployment
from zeroproof_ros.errors import DeploymentError

HERE = Path("here.yaml")
Change = Callable[[dict[str, Any]], Any]


def changed(block: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**block, **changes}


def with_robot(block: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**block, "robot": {**block["robot"], **changes}}


def test_the_robot_file_is_the_block_of_the_exact_bundle(
    robot_file: Path, exact_model: Bundle
) -> None:
    read, own = read_deployment(robot_file), exact_model.deployment
    assert own is not None
    for name in ("robot_type", "link_lengths", "joint_names", "base_frame", "features", "outputs"):
        assert getattr(read, name) == getattr(own, name)
    assert read.arm.limits.upper.tolist() == own.arm.limits.upper.tolist()
    own.check_same_model(read, robot_file)


def test_columns_are_found_by_name_in_any_order(block: dict[str, Any]) -> None:
    mixed = changed(block, features=["dy", "theta2", "load", "theta1", "dx"])
    deployment = Deployment.from_block(mixed, HERE)
    assert deployment.joint_columns == (3, 1)
    assert deployment.task_columns == (4, 0)


@pytest.mark.parametrize(
    "key",
    [
        "robot",
        "base_frame",
        "features",
        "joint_features",
        "task_features",
        "outputs",
        "output_kind",
    ],
)
def test_every_key_is_required(block: dict[str, Any], key: str) -> None:
    del block[key]
    with pytest.raises(DeploymentError, match=f"here.yaml: .*'{key}' is a required property"):
        Deployment.from_block(block, HERE)


@pytest.mark.parametrize(
    "key", ["type", "link_lengths", "joint_names", "position_limits", "velocity_limits"]
)
def test_every_key_of_the_robot_is_required(block: dict[str, Any], key: str) -> None:
    del block["robot"][key]
    with pytest.raises(DeploymentError, match=f"robot: '{key}' is a required property"):
        Deployment.from_block(block, HERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"typo": 1}, "'typo' was unexpected"),
        ({"output_kind": "velocity"}, "output_kind: 'velocity' is not one of"),
        ({"base_frame": ""}, "base_frame: '' (should be non-empty|is too short)"),
        ({"features": ["theta1", "theta2", "dx", "dx"]}, "features: .* has non-unique elements"),
        ({"features": []}, "features: "),
        ({"features": ["theta1", "theta2", "dx", 4]}, "features.3: 4 is not of type 'string'"),
        ({"outputs": ["a", "a"]}, "outputs: .* has non-unique elements"),
        ({"outputs": ["a"]}, "1 outputs, expected one for each of the 2 joints"),
        ({"joint_features": ["theta1"]}, "1 joint_features, expected one for each of the 2 joints"),
        ({"task_features": ["dx"]}, r"task_features are \['dx'\], expected one for each .* x, y"),
        ({"task_features": ["dx", "dz"]}, "task_features dz are not among the features theta1, "),
        ({"joint_features": ["q", "theta2"]}, "joint_features q are not among the features"),
        ({"task_features": ["theta1", "dy"]}, "theta1 are both joint_features and task_features"),
    ],
)
def test_names_that_do_not_fit_each_other_are_refused(
    block: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeploymentError, match=f"^here.yaml: .*{message}"):
        Deployment.from_block(changed(block, **changes), HERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "scara"}, "robot type is 'scara', expected one of planar_2r"),
        ({"link_lengths": [1.0]}, "expected two finite numbers > 0"),
        ({"link_lengths": [1.0, -0.8]}, "expected two finite numbers > 0"),
        ({"link_lengths": [1.0, float("nan")]}, "expected two finite numbers > 0"),
        ({"link_lengths": [1.0, float("inf")]}, "expected two finite numbers > 0"),
        ({"link_lengths": [1.0, 10**400]}, "too large"),
        ({"link_lengths": [1.0, "0.8"]}, "robot.link_lengths.1: '0.8' is not of type 'number'"),
        ({"link_lengths": [1.0, True]}, "robot.link_lengths.1: True is not of type 'number'"),
        ({"joint_names": ["a"]}, "1 joint_names, expected one for each of the 2 joints"),
        ({"joint_names": ["a", "a"]}, "robot.joint_names: .* has non-unique elements"),
        ({"velocity_limits": [3.0]}, "2 lower, 2 upper and 1 velocity limits"),
        ({"velocity_limits": [3.0, 0.0]}, "velocity limits are .*, expected all > 0"),
        ({"velocity_limits": [3.0, float("inf")]}, "velocity limits are .*, expected n finite"),
        ({"velocity_limits": [3.0, 10**400]}, "too large"),
        ({"position_limits": {"lower": [-1, -1]}}, "'upper' is a required property"),
        ({"position_limits": {"lower": [1, 1], "upper": [1, 2]}}, "are not all below upper"),
        ({"position_limits": {"lower": [-1] * 3, "upper": [1] * 3}}, "3 lower, 3 upper and 2"),
        ({"acceleration": [1]}, "robot: .*'acceleration' was unexpected"),
    ],
)
def test_a_robot_that_is_no_arm_is_refused(
    block: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeploymentError, match=f"^here.yaml: .*{message}"):
        Deployment.from_block(with_robot(block, **changes), HERE)


@pytest.mark.parametrize(
    "content", ["", "- a", "7", "robot: [", "\t", "a: &x [*x]", "[" * 5000, "1: 2"]
)
def test_a_file_that_is_no_block_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DeploymentError, match=r"robot.yaml"):
        read_deployment(path)


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="nowhere.yaml is not a readable file"):
        read_deployment(tmp_path / "nowhere.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeploymentError, match="bytes.yaml is not a readable YAML file"):
        read_deployment(tmp_path / "bytes.yaml")


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("!!python/object/apply:os.system ['true']", encoding="utf-8")
    with pytest.raises(DeploymentError, match="is not a readable YAML file"):
        read_deployment(path)


def test_json_is_yaml(tmp_path: Path, block: dict[str, Any]) -> None:
    path = tmp_path / "robot.json"
    path.write_text(json.dumps(block), encoding="utf-8")
    assert read_deployment(path).joint_names == ("joint1", "joint2")


def replaced(tmp_path: Path, block: dict[str, Any]) -> Deployment:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(block), encoding="utf-8")
    return read_deployment(path)


def test_names_limits_and_frame_may_be_those_of_the_robot_at_hand(
    good: Path, tmp_path: Path, block: dict[str, Any]
) -> None:
    limits = {"lower": [-1, -1], "upper": [1, 1]}
    mine = with_robot(block, joint_names=["a", "b"], position_limits=limits, velocity_limits=[1, 1])
    given = replaced(tmp_path, changed(mine, base_frame="robot_7/base"))
    loaded = load_bundle(good, deployment=given)
    assert loaded.deployment is given
    assert loaded.digest == load_bundle(good).digest


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("link_lengths", lambda b: with_robot(b, link_lengths=[1.0, 0.8000001])),
        ("features", lambda b: changed(b, features=["theta1", "theta2", "dy", "dx"])),
        ("joint_columns", lambda b: changed(b, joint_features=["theta2", "theta1"])),
        ("task_columns", lambda b: changed(b, task_features=["dy", "dx"])),
        ("outputs", lambda b: changed(b, outputs=["dtheta2", "dtheta1"])),
        ("output_kind", lambda b: changed(b, output_kind="joint_position")),
    ],
)
def test_what_gives_the_models_numbers_their_meaning_may_not_be_replaced(
    good: Path, tmp_path: Path, block: dict[str, Any], name: str, change: Change
) -> None:
    given = replaced(tmp_path, change(block))
    with pytest.raises(DeploymentError, match=f"{name} is .*, expected .*: it is for another arm"):
        load_bundle(good, deployment=given)


def test_a_block_that_does_not_fit_the_graph_is_refused(
    edit: Callable[..., Path], block: dict[str, Any]
) -> None:
    wide = changed(block, features=[*block["features"], "load"])
    with pytest.raises(DeploymentError, match="takes 4 features, the deployment block names 5"):
        load_bundle(edit(deployment=wide))


def test_a_given_block_has_to_fit_the_graph_too(
    edit: Callable[..., Path], tmp_path: Path, block: dict[str, Any]
) -> None:
    given = replaced(tmp_path, changed(block, features=[*block["features"], "load"]))
    with pytest.raises(DeploymentError, match="takes 4 features, the deployment block names 5"):
        load_bundle(edit(deployment=...), deployment=given)
