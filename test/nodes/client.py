"""The test's own node: publishes, collects, calls, and waits for events with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from node_process import DEADLINE
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from zeroproof_ros.nodes import qos

T = TypeVar("T")

DEEP = qos.reliable(1000)


class Client:
    """One node in this process; it is spun only while a test waits."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node(
            "client",
            context=self._context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._services: dict[str, Any] = {}

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin(self, seconds: float) -> None:
        """Take in what comes for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait(self, condition: Callable[[], T], what: str, timeout: float = DEADLINE) -> T:
        """The first true value of a condition, which is looked at after every event."""
        end = time.monotonic() + timeout
        while not (found := condition()):
            assert time.monotonic() < end, f"waited {timeout:g} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)
        return found

    def collect(self, message: type, topic: str, profile: QoSProfile = DEEP) -> list[Any]:
        """A list that the messages of a topic are appended to."""
        messages: list[Any] = []
        self.node.create_subscription(message, topic, messages.append, profile)
        return messages

    def publisher(self, message: type, topic: str, profile: QoSProfile = DEEP) -> Any:
        """A publisher that has found a subscription."""
        publisher = self.node.create_publisher(message, topic, profile)
        self.wait(publisher.get_subscription_count, f"a subscription to {topic}")
        return publisher

    def call(self, service: type, name: str, **fields: Any) -> Any:
        """The response of a service.

        Fast DDS drops a response to a client that the server has not discovered yet, so a request
        without one is sent again.
        """
        end = time.monotonic() + DEADLINE
        while True:
            future, again = self.request(service, name, **fields), time.monotonic() + DEADLINE / 4
            self.wait(lambda f=future, a=again: f.done() or time.monotonic() > a, name)
            if future.done():
                return future.result()
            assert time.monotonic() < end, f"waited {DEADLINE:g} s in vain for {name} to respond"

    def request(self, service: type, name: str, **fields: Any) -> Any:
        """The future response of a service."""
        if name not in self._services:
            self._services[name] = self.node.create_client(service, name)
        client = self._services[name]
        self.wait(client.service_is_ready, f"service {name}")
        return client.call_async(service.Request(**fields))
