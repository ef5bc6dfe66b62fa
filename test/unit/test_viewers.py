"""The layouts in config/ name what the nodes publish."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from zeroproof_ros.bundle import read_deployment
from zeroproof_ros.contract import Source
from zeroproof_ros.monitor import RateMonitor
from zeroproof_ros.monitor.findings import RULES
from zeroproof_ros.pipeline import TableLayout

CONFIG = Path(__file__).parents[2] / "config"
DOCS = CONFIG.parent / "docs"
FOXGLOVE = json.loads((CONFIG / "viewers" / "foxglove.json").read_text("utf-8"))
COLUMNS = {column.name for column in TableLayout(("theta1",), ("dq1",)).columns}
FRAME = read_deployment(CONFIG / "robots" / "planar_2r.yaml").base_frame


def panels_of(layout: Any) -> list[str]:
    """The panels in a layout, which is one, or two of them beside each other."""
    if isinstance(layout, str):
        return [layout]
    assert layout["direction"] in {"row", "column"}
    return panels_of(layout["first"]) + panels_of(layout["second"])


def test_every_panel_has_a_place_and_a_configuration() -> None:
    assert sorted(panels_of(FOXGLOVE["layout"])) == sorted(FOXGLOVE["configById"])


def test_every_curve_is_the_rate_that_its_label_says() -> None:
    pytest.importorskip("std_msgs", reason="the layout of ~/rates is in a ROS message")
    from zeroproof_ros.messages.rates import rates_to_msg

    message = rates_to_msg(RateMonitor(1.0, 1).rates(0.0))
    spans, names = (dimension.label.split(",") for dimension in message.layout.dim)
    labels = [f"{span} {name}" for span in spans for name in names]
    curves = [
        curve for panel in FOXGLOVE["configById"].values() for curve in panel.get("paths", [])
    ]
    assert len(curves) > 10
    for curve in curves:
        index = re.fullmatch(r"/monitor_node/rates\.data\[(\d+)\]", curve["value"])
        assert index, curve
        assert labels[int(index[1])] == curve["label"]


def test_foxglove_draws_the_result_by_its_source() -> None:
    panel = FOXGLOVE["configById"]["3D!result"]
    (cloud,) = panel["topics"].values()
    assert list(panel["topics"]) == ["/strict_ik_node/result"]
    assert panel["followTf"] == FRAME
    assert cloud["colorField"] in COLUMNS
    assert (cloud["minValue"], cloud["maxValue"]) == (min(Source), max(Source))


def test_rviz_draws_the_result_by_its_source() -> None:
    manager = yaml.safe_load((CONFIG / "viewers" / "result.rviz").read_text("utf-8"))[
        "Visualization Manager"
    ]
    assert manager["Global Options"]["Fixed Frame"] == FRAME
    (cloud,) = (d for d in manager["Displays"] if d["Class"].endswith("/PointCloud2"))
    assert cloud["Topic"]["Value"] == "/strict_ik_node/result"
    assert cloud["Channel Name"] in COLUMNS
    assert (cloud["Color Transformer"], cloud["Position Transformer"]) == ("Intensity", "XYZ")
    assert cloud["Min Intensity"] <= min(Source)
    assert cloud["Max Intensity"] >= max(Source)


def test_the_groups_of_the_aggregator_know_every_alert() -> None:
    groups = yaml.safe_load((CONFIG / "diagnostics.yaml").read_text("utf-8"))
    (pattern,) = groups["analyzers"]["ros__parameters"]["alerts"]["regex"]
    names = re.fullmatch(r"\[\^:\]\+: \((.*)\)", pattern)
    assert names
    assert names[1].split("|") == [rule.name for rule in RULES]


def test_commands_of_the_documents_name_files_and_parameters_that_exist() -> None:
    pytest.importorskip("rclpy", reason="the parameters are in the node's module")
    from zeroproof_ros.nodes.monitor_parameters import PARAMETERS

    texts = [(DOCS / name).read_text("utf-8") for name in ("events.md", "viewers.md")]
    commands = [c for text in texts for c in re.findall(r"```console\n(.*?)```", text, re.DOTALL)]
    assert len(commands) == 4
    for command in commands:
        for path in re.findall(r"/(config/\S+)", command):
            assert (CONFIG.parent / path).is_file(), command
        for name in re.findall(r"-p (\w+):=", command):
            assert name in {spec.name for spec in PARAMETERS}
    for text in texts:
        for path in re.findall(r"`(config/\S+)`", text):
            assert (CONFIG.parent / path).is_file(), path
