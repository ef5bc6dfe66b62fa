"""Quality of service: what parameters override, and nothing beside it."""

from __future__ import annotations

from client import Client
from rclpy.qos import ReliabilityPolicy
from strict_harness import Serve


def test_an_override_changes_its_own_topic_only(serve: Serve, client: Client) -> None:
    # rclpy writes overrides into the profile it is given; topics must not share one
    override = "qos_overrides./strict_ik_node/result.publisher.reliability"
    # the harness reads the results reliably, so it would wait for them in vain
    serve(name="strict_ik_node", settle=False, **{override: "best_effort"})

    def reliability(topic: str) -> ReliabilityPolicy:
        topic = f"/strict_ik_node/{topic}"
        client.wait(lambda: client.node.get_publishers_info_by_topic(topic), topic)
        (endpoint,) = client.node.get_publishers_info_by_topic(topic)
        return ReliabilityPolicy(endpoint.qos_profile.reliability)

    assert reliability("result") is ReliabilityPolicy.BEST_EFFORT
    assert reliability("command") is ReliabilityPolicy.RELIABLE
