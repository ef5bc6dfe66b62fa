"""The parameters of a node as a ROS parameter file gives them, without the node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.nodes.parameters import ParameterSpec

KEY = "ros__parameters"
# Wildcards for the name of a node: in any namespace, or in one.
ANY = ("**", "*")


def read_parameter_file(
    path: Path, node_name: str, specs: Iterable[ParameterSpec]
) -> Mapping[str, Any]:
    """The checked value of every parameter, the default where the file gives none.

    As in ROS a block counts if its key ends with the name of the node or with a wildcard, a later
    one before an earlier one, and what the node does not declare is passed over.

    Raises:
        ConfigError: the file is no parameter file, has no block or blocks for two nodes of this
            name, or gives a value that breaks a spec.
    """
    blocks = list(_blocks(read_yaml(path, ConfigError), "", path))
    meant = [(key, block) for key, block in blocks if key.rpartition("/")[2] in (node_name, *ANY)]
    named = {key for key, _ in meant if "*" not in key}
    if len(named) > 1 or not meant:
        found = sorted(named) or sorted(key for key, _ in blocks)
        raise ConfigError(
            f"{path} has parameters for {', '.join(found) or 'no node'}, expected one {node_name}",
            found=found,
            expected=node_name,
            path=path,
        )
    given: dict[str, Any] = {}
    for _, block in meant:
        given |= block
    return {spec.name: spec.check(given.get(spec.name, spec.default)) for spec in specs}


def _blocks(tree: Any, namespace: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The blocks of parameters by the full names of their nodes; namespaces may be nested."""
    if not isinstance(tree, dict) or KEY in tree:
        raise ConfigError(
            f"{path} is no parameter file, expected `<node>: {KEY}: <parameter>: <value>`",
            path=path,
        )
    for key, inner in tree.items():
        name = f"{namespace}/{key.strip('/')}"
        if isinstance(inner, dict) and isinstance(inner.get(KEY), dict):
            yield name, inner[KEY]
        else:
            yield from _blocks(inner, name, path)
