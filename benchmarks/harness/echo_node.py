"""The least a node can do: answer every target with a result and a command made beforehand.

It imports nothing but rclpy, so that its start and its memory are those of a bare node.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message

from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.process import run_node


class EchoNode(Node):
    """The topics of strict_ik_node without anything between them.

    Args:
        target: class of the targets, as `package.msg.Class`.
        answers: per topic the class of the message, and the file that holds it serialised.
    """

    def __init__(self, target: str, answers: dict[str, tuple[str, Path]]) -> None:
        super().__init__("echo_node")
        self._answers = []
        for topic, (name, path) in answers.items():
            publisher = self.create_publisher(_message(name), f"~/{topic}", qos.output())
            message = deserialize_message(path.read_bytes(), _message(name))
            self._answers.append((publisher, message))
        self.create_subscription(_message(target), "~/target", self._on_target, qos.reliable(1))

    def _on_target(self, _: object) -> None:
        for publisher, message in self._answers:
            publisher.publish(message)


def _message(name: str) -> type[Any]:
    module, _, kind = name.rpartition(".")
    return getattr(import_module(module), kind)


if __name__ == "__main__":
    target, result, result_file, command, command_file = sys.argv[1:]
    topics = {"result": (result, Path(result_file)), "command": (command, Path(command_file))}
    sys.exit(run_node(partial(EchoNode, target, topics)))
