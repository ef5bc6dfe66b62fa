"""The strict_ik_node that a recording is played to, and what it lacks before it can be."""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node

from zeroproof_ros.errors import ReplayError

# Fast DDS drops a response to a client that the server has not discovered yet.
ASK_AGAIN = 1.0


class _Question:
    """A service that is asked until it responds."""

    def __init__(self, node: Node, service: Any, name: str, **fields: Any) -> None:
        self._client = node.create_client(service, name)
        self._request = service.Request(**fields)
        self._future: Any = None
        self._again = 0.0

    def response(self) -> Any:
        """The last response, each only once; None where there is no new one."""
        if self._future is not None and self._future.done():
            response, self._future = self._future.result(), None
            return response
        now = time.monotonic()
        if (self._future is None or now > self._again) and self._client.service_is_ready():
            self._future, self._again = self._client.call_async(self._request), now + ASK_AGAIN
        return None


class Peer:
    """A node that runs elsewhere.

    Args:
        node: our own.
        name: what the other one is called, with its namespace.
        target_type: the messages it shall take, for example `sensor_msgs/msg/JointState`.

    Attributes:
        command_type: the type of its commands in the same form, "" until it lacks nothing.
    """

    def __init__(self, node: Node, name: str, target_type: str) -> None:
        self.name = "/" + name.strip("/")
        self._node, self._target_type = node, target_type
        self._parameters = _Question(
            node, GetParameters, f"{self.name}/get_parameters", names=["use_sim_time"]
        )
        self._state = _Question(node, GetState, f"{self.name}/get_state")
        self._simulated = False
        self._label = self.command_type = ""

    def missing(self) -> str:
        """What it lacks, "" for nothing; a node that is active once may become inactive later.

        Raises:
            ReplayError: it runs on another clock, or takes other messages.
        """
        return self._absent() or self._inactive() or self._topics_missing() or self.rival()

    def rival(self) -> str:
        """Who else publishes what only we may, and on which topic; "" for nobody."""
        for topic in ("/clock", f"{self.name}/target"):
            writers = self._node.get_publishers_info_by_topic(topic)
            others = {_full_of(writer) for writer in writers} - {_full(*_own(self._node))}
            if others:
                return f"the end of {', '.join(sorted(others))}, which publishes on {topic} too"
        return ""

    def forget_state(self) -> None:
        """Ask anew whether it is active."""
        self._label = ""

    def _absent(self) -> str:
        names = {_full(*each) for each in self._node.get_node_names_and_namespaces()}
        if self.name in names:
            return ""
        others = ", ".join(sorted(names - {_full(*_own(self._node))})) or "none"
        return (
            f"a node called {self.name}, the nodes are {others}; start it with "
            "-p use_sim_time:=true, or name another one with --node"
        )

    def _inactive(self) -> str:
        if not self._on_simulated_time():
            return f"{self.name}/get_parameters to say whether it runs on simulated time"
        state = self._state.response()
        if state is not None:
            self._label = state.current_state.label
        if self._label == "active":
            return ""
        return f"{self.name} to be active, it is {self._label or 'silent'}; activate it"

    def _topics_missing(self) -> str:
        if not self._takes_targets():
            return f"{self.name} to subscribe to {self.name}/target"
        clock = self._node.get_subscriptions_info_by_topic("/clock")
        if self.name not in map(_full_of, clock):
            return f"{self.name} to subscribe to /clock"
        commands = self._node.get_publishers_info_by_topic(f"{self.name}/command")
        if not commands:
            return f"{self.name} to publish {self.name}/command"
        self.command_type = str(commands[0].topic_type)
        return ""

    def _on_simulated_time(self) -> bool:
        response = None if self._simulated else self._parameters.response()
        if response is not None:
            self._simulated = len(response.values) == 1 and response.values[0].bool_value
            if not self._simulated:
                raise ReplayError(
                    f"{self.name} runs without use_sim_time, so it would judge the age of recorded "
                    "targets by today's clock; start it with -p use_sim_time:=true",
                    found=False,
                    expected=True,
                )
        return self._simulated

    def _takes_targets(self) -> bool:
        readers = self._node.get_subscriptions_info_by_topic(f"{self.name}/target")
        types = {str(r.topic_type) for r in readers if _full_of(r) == self.name}
        if types and self._target_type not in types:
            found = ", ".join(sorted(types))
            raise ReplayError(
                f"{self.name} takes targets of type {found}, the recorded ones are of type "
                f"{self._target_type}; start it with another target_type",
                found=found,
                expected=self._target_type,
            )
        return bool(types)


def _own(node: Node) -> tuple[str, str]:
    return node.get_name(), node.get_namespace()


def _full_of(endpoint: Any) -> str:
    return _full(endpoint.node_name, endpoint.node_namespace)


def _full(name: str, namespace: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"
