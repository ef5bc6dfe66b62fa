"""The lifecycle: right transitions, wrong ones, and failures that can be put right."""

from __future__ import annotations

from pathlib import Path

from strict_harness import BUNDLE, GOOD, Serve, StrictHarness

from zeroproof_ros.messages.diagnostics import ERROR, OK, values_from_msg

CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = 1, 2, 3, 4
SHUTDOWN = {"unconfigured": 5, "inactive": 6, "active": 7}
RIGHT = {
    "unconfigured": {CONFIGURE, 5},
    "inactive": {CLEANUP, ACTIVATE, 6},
    "active": {DEACTIVATE, 7},
    "finalized": set(),
}
LABELS = {
    "configure": "unconfigured",
    "cleanup": "inactive",
    "activate": "inactive",
    "deactivate": "active",
    "transition_success": "",
    "transition_failure": "",
    "transition_error": "",
    "destroy": "",
    "create": "",
    "no such label": "",
}


def refuse_all_wrong_transitions(node: StrictHarness, state: str) -> None:
    for transition in set(range(256)) - RIGHT[state]:
        assert not node.change(transition), f"{transition} from {state}"
    for label, known_in in LABELS.items():
        if known_in != state:
            # an id that would do does not help a label that does not
            assert not node.change(min(RIGHT[state], default=0), label), f"{label} from {state}"
    assert node.state == state


def test_wrong_transitions_from_every_state_and_right_ones(serve: Serve) -> None:
    node = serve(autostart=False, settle=False)
    assert node.state == "unconfigured"
    refuse_all_wrong_transitions(node, "unconfigured")
    assert node.change(CONFIGURE)
    refuse_all_wrong_transitions(node, "inactive")
    # a label counts, whatever the id
    assert node.change(99, "activate")
    refuse_all_wrong_transitions(node, "active")
    node.settle()
    assert node.change(0, "shutdown")
    refuse_all_wrong_transitions(node, "finalized")
    assert "transition 4 is unknown in state inactive; known: " in node.process.output


def test_two_full_cycles_with_targets_in_every_state(serve: Serve) -> None:
    node = serve(autostart=False, settle=False)
    for _ in range(2):
        assert node.publisher.get_subscription_count() == 0
        assert node.change(CONFIGURE)
        # topics are there, targets are counted and not answered
        node.wait(node.publisher.get_subscription_count, "~/target")
        node.wait(lambda: node.statuses, "a report")
        before = node.counts()["dropped_inactive"]
        node.publisher.publish(node.target(GOOD))
        node.wait(lambda b=before: node.counts()["dropped_inactive"] == b + 1, "the drop")
        assert not node.results

        assert node.change(ACTIVATE)
        node.settle()
        assert len(node.ask(node.target(GOOD))[0]) == 1
        node.expect(rows=2, served=2, stamps_unknown=2)

        assert node.change(DEACTIVATE)
        node.clear()
        for _ in range(3):
            node.publisher.publish(node.target(GOOD))
        node.expect(dropped_inactive=3)
        assert values_from_msg(node.statuses[-1])["state"] == "inactive"

        assert node.change(ACTIVATE)
        node.sync()
        # nothing of what came while it was inactive is answered later
        assert len(node.results) == len(node.commands) == 1
        node.expect(rows=1, served=1, stamps_unknown=1)

        assert node.change(DEACTIVATE)
        assert node.change(CLEANUP)
        assert node.state == "unconfigured"
        node.wait(lambda: node.publisher.get_subscription_count() == 0, "the end of ~/target")
        node.clear()


def test_shutdown_from_every_state(serve: Serve) -> None:
    nodes = {
        "unconfigured": serve(autostart=False, settle=False),
        "inactive": serve(autostart=False, settle=False),
        "active": serve(settle=False),
    }
    assert nodes["inactive"].change(CONFIGURE)
    for state, node in nodes.items():
        assert node.state == state
        assert node.change(SHUTDOWN[state])
        assert node.state == "finalized"
        answer = node.reload()
        assert (answer.success, answer.message) == (
            False,
            "nothing to reload in state finalized; configure first",
        )


def test_a_configure_that_fails_says_why_and_can_be_put_right(serve: Serve, tmp_path: Path) -> None:
    node = serve(bundle_dir="", settle=False)

    def failure() -> str:
        node.wait(lambda: node.statuses and node.statuses[-1].level[0] == ERROR, "an error")
        return str(node.statuses[-1].message)

    assert failure() == (
        "configure failed: parameter bundle_dir is empty, expected the folder of a bundle"
    )
    assert node.state == "unconfigured"
    assert not node.reload().success

    assert node.set(bundle_dir=str(tmp_path)).successful
    assert not node.change(CONFIGURE)
    node.wait(lambda: str(tmp_path) in failure(), "the other error")
    # said again every second, until somebody acts
    seen = len(node.statuses)
    node.wait(lambda: len(node.statuses) > seen + 1, "two reports more")
    assert str(tmp_path) in failure()

    assert node.set(bundle_dir=str(BUNDLE)).successful
    assert node.change(CONFIGURE)
    assert node.change(ACTIVATE)
    node.settle()
    assert node.statuses[-1].level[0] == OK
    assert node.statuses[-1].message.startswith("planar_2r@")
    assert str(tmp_path) in node.process.output


def test_a_configure_that_fails_half_way_leaves_nothing(serve: Serve) -> None:
    """The bundle is loaded by then, and a publisher can not be made."""
    override = "qos_overrides./broken/result.publisher.reliability:=sure"
    node = serve("-p", override, settle=False, name="broken")
    node.wait(lambda: node.statuses, "a report")
    assert node.statuses[-1].level[0] == ERROR
    assert "Unexpected QoS override for policy `reliability`: `sure`" in node.statuses[-1].message
    assert node.state == "unconfigured"
    assert not node.change(ACTIVATE)
    assert not node.reload().success
