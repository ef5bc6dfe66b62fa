"""A parameter file means to an evaluation what it means to a node."""

from __future__ import annotations

from pathlib import Path

from strict_harness import Serve

from zeroproof_ros.nodes.parameter_file import read_parameter_file
from zeroproof_ros.nodes.strict_ik_parameters import PARAMETERS

FILE = """
/**:
  ros__parameters:
    gap_policy: accept
    max_batch: 1
    residual_tolerance: 0.01
strict_ik_node:
  ros__parameters:
    bottom_policy: reject
    max_batch: 2
    step_duration: 1
    unheard_of: {nested: [1, 2]}
/other/node:
  ros__parameters:
    max_batch: 3
/**/strict_ik_node:
  ros__parameters:
    bottom_policy: fallback
    motion_tolerance: 0.5
"""


def test_a_node_reports_what_an_evaluation_reads(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(FILE, encoding="utf-8")
    node = serve("--params-file", str(file), name="strict_ik_node", settle=False)
    found = dict(read_parameter_file(file, "strict_ik_node", PARAMETERS))
    for name in ("bundle_dir", "target_depth", "target_timeout"):  # given to the node otherwise
        del found[name]
    assert dict(zip(found, node.get(*found), strict=True)) == found
    assert (found["bottom_policy"], found["max_batch"]) == ("fallback", 2)
