"""Stale targets: by the stamp, by the arrival, and by a simulated clock."""

from __future__ import annotations

import time

import numpy as np
from rosgraph_msgs.msg import Clock
from strict_harness import GOOD, Serve, StrictHarness, rows_of, seconds, stamped

from zeroproof_ros.pipeline import Reason, Source


def ask_at(node: StrictHarness, stamp: float) -> tuple[Reason, int]:
    """The reason of a good target with this stamp, and how many commands it led to."""
    (table,), commands = node.ask(node.target(GOOD, header=stamped(stamp)))
    assert (table["in"] == rows_of(GOOD)).all()
    if table["reason"][0] == Reason.STALE:
        assert table["source"][0] == Source.NONE
        assert np.isnan(table["resolved"]).all()
    return Reason(table["reason"][0]), len(commands)


def test_age_by_the_stamp(serve: Serve) -> None:
    node = serve(target_timeout=5.0)
    assert ask_at(node, time.time() - 5.1) == (Reason.STALE, 0)
    assert ask_at(node, 1.0) == (Reason.STALE, 0)
    assert ask_at(node, time.time()) == (Reason.OK, 1)
    assert ask_at(node, 0.0) == (Reason.OK, 1)
    node.expect(rows=8, served=6, stamps_unknown=5, rejected_stale=2)
    # ahead of the clock: served, and counted
    assert ask_at(node, time.time() + 100.0) == (Reason.OK, 1)
    node.expect(rows=2, served=2, stamps_unknown=1, stamps_future=1)
    # no limit, from now on
    assert node.set(target_timeout=0.0).successful
    assert ask_at(node, 1.0) == (Reason.OK, 1)
    assert node.set(target_timeout=1).successful
    assert ask_at(node, 1.0) == (Reason.STALE, 0)
    node.expect(rows=4, served=3, stamps_unknown=2, rejected_stale=1)
    assert "1 of 1 rows rejected, first: row 0 rejected: stale" in node.process.output


def test_age_by_the_arrival(serve: Serve) -> None:
    """What takes longer than the timeout is too late, although no stamp says so."""
    node = serve(target_type="multi_array", command_type="multi_array")
    batch = np.tile(rows_of(GOOD), (200_000, 1))
    (table,), (command,) = node.ask(node.target(*batch.tolist()))
    assert (table["reason"] == Reason.OK).all()
    assert len(node.positions(command)) == len(batch)
    message = node.target(*batch.tolist())
    node.expect(rows=200_001, served=200_001, stamps_unknown=2)
    assert node.set(target_timeout=0.005).successful
    node.clear()
    node.publisher.publish(message)
    (table,) = node.wait(lambda: node.results, "the result")
    assert (table["reason"] == Reason.STALE).all()
    assert np.isnan(table["resolved"]).all()
    node.expect(rows=200_000, stamps_unknown=1, rejected_stale=200_000)
    assert node.commands == []


def test_age_by_a_simulated_clock(serve: Serve) -> None:
    node = serve(use_sim_time=True, target_timeout=5.0)
    client = node.client
    # before the first /clock no stamp says anything, and the diagnostics come all the same
    assert ask_at(node, time.time()) == (Reason.OK, 1)
    assert ask_at(node, 1.0) == (Reason.OK, 1)
    node.expect(rows=4, served=4, stamps_unknown=4)

    clock = client.publisher(Clock, "/clock")

    def set_clock(to: float) -> None:
        # /clock is best effort: the first message may be lost
        def heeded() -> bool:
            clock.publish(Clock(clock=stamped(to).stamp))
            return seconds(node.status_stamp) == to

        node.wait(heeded, f"/clock {to}")

    set_clock(100.0)
    assert ask_at(node, 97.5) == (Reason.OK, 1)
    assert ask_at(node, 94.5) == (Reason.STALE, 0)
    assert ask_at(node, 100.25) == (Reason.OK, 1)
    assert ask_at(node, time.time()) == (Reason.OK, 1)
    node.expect(rows=8, served=7, stamps_unknown=4, rejected_stale=1, stamps_future=2)

    set_clock(50.0)
    assert ask_at(node, 50.0) == (Reason.OK, 1)
    assert ask_at(node, 44.5) == (Reason.STALE, 0)
    node.expect(rows=4, served=3, stamps_unknown=2, rejected_stale=1, clock_jumps=1)
    # forward is what clocks do
    set_clock(5000.0)
    assert ask_at(node, 4997.5) == (Reason.OK, 1)
    node.expect(rows=2, served=2, stamps_unknown=1)
