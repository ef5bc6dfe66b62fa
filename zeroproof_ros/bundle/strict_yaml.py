"""YAML from others: read so that it means one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from zeroproof_ros.errors import ZeroProofError

# Real ones have 1 kB; reading YAML takes a second for a few hundred.
MAX_YAML_BYTES = 1 << 14
TEXT = "tag:yaml.org,2002:str"


def read_yaml(path: Path, error: type[ZeroProofError]) -> Any:
    """What a small YAML or JSON file holds.

    Raises:
        ZeroProofError: an `error`, for a file that can not be read, is too large, is not YAML,
            names a key twice, or has an alias.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_YAML_BYTES + 1)
    except OSError as failure:
        raise error(f"{path} is not a readable file: {failure}", path=path) from failure
    if len(content) > MAX_YAML_BYTES:
        raise error(
            f"{path} has more than {MAX_YAML_BYTES} bytes, expected a few lines",
            expected=MAX_YAML_BYTES,
            path=path,
        )
    try:
        return _StrictLoader(content.decode("utf-8")).get_single_data()
    except Exception as broken:  # a tag with a wrong value is a KeyError, or any other
        raise error(f"{path} is not a readable YAML file: {broken}", path=path) from broken


class _StrictLoader(yaml.SafeLoader):
    """YAML in which every value stands where it is used, once, under a key of text."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # some lines of these make any amount of values
            raise yaml.MarkedYAMLError(problem="it has an alias, expected each value in its place")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            # the tag of "<<", which would give keys twice as well, is another
            if key.tag != TEXT or key.value in seen:
                problem = f"key {key.value!r} is given twice or is no text"
                raise yaml.MarkedYAMLError(problem=problem[:200], problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
