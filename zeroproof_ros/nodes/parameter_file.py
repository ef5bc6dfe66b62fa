"""The parameters of a node as a ROS parameter file gives them, without the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.nodes.parameters import ParameterSpec

KEY = "ros__parameters"


def read_parameter_file(
    path: Path, node_name: str, specs: Iterable[ParameterSpec]
) -> Mapping[str, Any]:
    """The checked value of every parameter, the default where the file gives none.

    As in ROS a block counts if its key ends with the name of the node or with a wildcard, a later
    one before an earlier one, and what the node does not declare is passed over.

    Raises:
        ConfigError: the file is no parameter file, has blocks for two nodes of this name, or gives
            a value that breaks a spec.
    """
    blocks = read_yaml(path, ConfigError)
    if not isinstance(blocks, dict) or not all(
        isinstance(block, dict) and isinstance(block.get(KEY), dict) for block in blocks.values()
    ):
        raise ConfigError(
            f"{path} is no parameter file, expected `<node>: {KEY}: <parameter>: <value>`",
            path=path,
        )
    meant = [key for key in blocks if key.rpartition("/")[2] in (node_name, "*", "**")]
    named = {key.strip("/") for key in meant if "*" not in key}
    if len(named) > 1:
        raise ConfigError(
            f"{path} has parameters for {', '.join(sorted(named))}, expected one {node_name}",
            found=sorted(named),
            path=path,
        )
    given: dict[str, Any] = {}
    for key in meant:
        given |= blocks[key][KEY]
    return {spec.name: spec.check(given.get(spec.name, spec.default)) for spec in specs}
