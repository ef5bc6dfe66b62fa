"""`watch`, as somebody runs it beside real nodes: on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client import Client
from node_process import DEADLINE, Start, environment
from strict_harness import BOTTOM, GOOD, Serve, StrictHarness

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.cli.screen import LEVELS

ROWS, COLUMNS = 50, 200


class Watch:
    """A running `watch`, what it writes read as it comes."""

    def __init__(self, arguments: tuple[str, ...], env: dict[str, str], terminal: bool) -> None:
        read, write = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(write, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.set_blocking(read, False)
        self._read, self._bytes = read, b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zeroproof_ros", "watch", *arguments],
            env={**env, "TERM": "xterm-256color", "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.PIPE,
        )
        os.close(write)

    @property
    def text(self) -> str:
        """What it wrote until now."""
        # a terminal whose program has ended can not be read
        with contextlib.suppress(BlockingIOError, OSError):
            while part := os.read(self._read, 1 << 16):
                self._bytes += part
        return self._bytes.decode("utf-8", "replace")

    def end(self) -> None:
        """Demand that it ends now, well."""
        _, errors = self.process.communicate(timeout=DEADLINE)
        assert (self.process.returncode, errors) == (0, b"")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._read)


Run = Callable[..., Watch]


@pytest.fixture
def watch(domain: int, tmp_path: Path) -> Iterator[Run]:
    started: list[Watch] = []

    def run(*arguments: str, terminal: bool = False) -> Watch:
        started.append(Watch(arguments, environment(domain, tmp_path), terminal))
        return started[-1]

    yield run
    for each in started:
        each.close()


def serving(serve: Serve, start: Start, name: str, monitor: str) -> StrictHarness:
    """A node that rejects bottoms, and its monitor."""
    node = serve(name=name, target_type="multi_array", bottom_policy="reject")
    start(
        "monitor_node",
        *("-r", f"__node:={monitor}", "-r", f"~/result:=/{node.name}/result"),
        rate=10,
    )
    return node


def feed_until(node: StrictHarness, condition: Callable[[], Any], what: str) -> None:
    """Send targets, every second of them bottom, until a condition holds."""

    def feed_and_look() -> Any:
        node.publisher.publish(node.target(GOOD, BOTTOM))
        return condition()

    node.wait(feed_and_look, what)


def test_in_a_pipe_it_prints_a_line_per_second(
    client: Client, serve: Serve, start: Start, watch: Run
) -> None:
    view = watch("--node", "watched", "--monitor", "watcher")
    client.wait(
        lambda: all(
            f"waiting for /{topic}: no node publishes it yet" in view.text
            for topic in ("watched/result", "watched/info", "watcher/rates")
        ),
        "what it waits for",
    )
    assert "no bundle serves" in view.text

    node = serving(serve, start, "watched", "watcher")
    bundle = load_bundle(node.get("bundle_dir")[0])
    feed_until(node, lambda: "last rejected: " in view.text, "a rejected row")
    feed_until(node, lambda: "rejected 0.5" in view.text, "the rates of the monitor")
    lines: list[str] = []

    def told_all() -> bool:
        lines[:] = [view.text.splitlines()[-1]]
        return all(told in lines[0] for told in ("coverage 0.5", "warning: watcher: ", "dy=0"))

    feed_until(node, told_all, "the present rates and an alert")
    (line,) = lines
    assert f"{bundle.id} on CPUExecutionProvider  tau_infer 0.02  tau_train 0.05" in line
    assert re.search(rf"\|Q\| [{LEVELS}]{{2,50}} 0 \| served by rejected", line)
    assert "all: coverage 0.5" in line
    assert "waiting" not in line
    assert re.search(r"\d:\d\d\.\d{3}  bottom  \|Q\|=0  theta1=0.3 theta2=0 dx=-0.01 dy=0$", line)

    # a line for each second, and none twice
    seconds = [int(second) for second in re.findall(r"^ *(\d+) s", view.text, re.MULTILINE)]
    assert seconds == sorted(set(seconds))
    assert "\x1b" not in view.text

    node.process.signal(signal.SIGINT)
    client.wait(
        lambda: "/watched is gone: nobody publishes /watched/result any more" in view.text,
        "that the node is gone",
    )
    assert view.process.poll() is None
    view.process.send_signal(signal.SIGINT)
    view.end()


def test_on_a_terminal_it_draws(client: Client, serve: Serve, start: Start, watch: Run) -> None:
    view = watch("--node", "drawn", "--monitor", "drawer", terminal=True)
    client.wait(lambda: "waiting for /drawn/result" in view.text, "what it waits for")
    node = serving(serve, start, "drawn", "drawer")

    def drawn() -> bool:
        # from the last time it moved up to draw anew
        screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", view.text[-8000:])
        return all(
            part in screen
            for part in ("served by", "████", "rows/s", "warning: drawer: ", "last rows that")
        )

    feed_until(node, drawn, "rows on the screen")
    # colours of the model and of rejected rows
    assert "\x1b[34m█" in view.text
    assert "\x1b[31m█" in view.text
    view.process.send_signal(signal.SIGINT)
    view.end()
    # the cursor is shown again
    assert view.text.rstrip().endswith("\x1b[?25h")


def test_it_ends_by_itself_and_keeps_to_its_namespace(
    serve: Serve, start: Start, watch: Run
) -> None:
    view = watch("--namespace", "/robot/left/", "--seconds", "1.5")
    view.end()
    assert "waiting for /robot/left/strict_ik_node/result" in view.text
    assert "waiting for /robot/left/monitor_node/rates" in view.text


@pytest.mark.parametrize("option", ["--node", "--namespace"])
def test_a_name_that_no_node_has_is_refused(watch: Run, option: str) -> None:
    view = watch(option, "no name")
    _, errors = view.process.communicate(timeout=DEADLINE)
    assert view.process.returncode == 2
    assert errors.startswith(b"error: not the names of nodes: ")
    assert b"Traceback" not in errors
