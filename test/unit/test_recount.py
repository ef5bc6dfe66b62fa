"""Published rates are those of the recorded rows, and a recording that was changed is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="reads recordings")
pytest.importorskip("sensor_msgs", reason="the ROS message packages are not installed here")

from std_msgs.msg import Float64MultiArray, Header

from zeroproof_ros.bags import BagFile, Recorded, Recording
from zeroproof_ros.bags.recount import recount
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import BagError
from zeroproof_ros.messages.rates import rates_to_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.monitor import RateMonitor
from zeroproof_ros.pipeline import ResultTable, StrictIK

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "bags" / "planar_2r.mcap"
RESULT, RATES = "/strict_ik_node/result", "/monitor_node/rates"
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def shipped() -> tuple[dict[str, str], list[Recorded]]:
    with Recording(SHIPPED) as bag:
        return dict(bag.topics), list(bag.messages(RESULT, RATES))


@pytest.fixture(scope="module")
def tables() -> list[ResultTable]:
    """Results of one row each: model and solver, with and without a value."""
    ik = StrictIK(load_bundle(ROOT / "config" / "bundles" / "planar_2r"))
    bends = np.linspace(-0.3, 0.3, 61)
    return [ik.solve(np.array([[0.1, bend, 0.001, 0.001]])) for bend in bends]


def test_every_published_rate_of_the_shipped_recording(
    shipped: tuple[dict[str, str], list[Recorded]],
) -> None:
    found = recount(SHIPPED)
    results = sum(message.topic == RESULT for message in shipped[1])
    assert (found.rows, found.checked) == (results, len(shipped[1]) - results)
    assert found.checked > 30
    assert found.differences == ()
    assert found.problems == ()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.231, 0.4, 0.69, 0.85, 1.0])
def test_a_row_that_was_removed_is_missed(
    share: float, shipped: tuple[dict[str, str], list[Recorded]], tmp_path: Path
) -> None:
    topics, messages = shipped
    places = [i for i, message in enumerate(messages) if message.topic == RESULT]
    gone = places[round(share * (len(places) - 1))]
    with BagFile(tmp_path / "in.mcap") as bag:
        for i, (topic, time_ns, data) in enumerate(messages):
            if i != gone:
                bag.write_data(topic, topics[topic], data, time_ns)
    found = recount(tmp_path / "in.mcap")
    published = [message.time_ns for message in messages if message.topic == RATES]
    after = {i for i, time_ns in enumerate(published) if time_ns > messages[gone].time_ns}
    # where a result comes right after the rates, it may be the one that is missed
    assert found.differences
    assert {index for index, _ in found.differences} <= after


class Scene:
    """A recording of a monitor that reads results with a delay."""

    def __init__(self, path: Path, window: float = 3.0) -> None:
        self.bag = BagFile(path)
        self.monitor = RateMonitor(window, 10)
        self.now = 100.0

    def results(self, *tables: ResultTable, unread: int = 0, unrecorded: int = 0) -> None:
        """One result per tenth of a second; some are not read, or not recorded."""
        for i, table in enumerate(tables):
            self.now += 0.1
            if i >= unrecorded:
                self.bag.write(RESULT, result_to_msg(table, Header()), round(self.now * SECOND))
            if i < len(tables) - unread:
                self.monitor.update(table.rows, self.now)

    def rates(self) -> None:
        self.now += 0.01
        message = rates_to_msg(self.monitor.rates(self.now))
        self.bag.write(RATES, message, round(self.now * SECOND))


Play = Callable[[Callable[[Scene], None]], Any]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Records a scene and counts it again."""

    def played(what: Callable[[Scene], None]) -> Any:
        scene = Scene(tmp_path / "scene.mcap")
        with scene.bag:
            what(scene)
        return recount(tmp_path / "scene.mcap")

    return played


def test_windows_and_delays(tables: list[ResultTable], play: Play) -> None:
    def scene(of: Scene) -> None:
        of.rates()
        for i in range(0, len(tables), 6):
            of.results(*tables[i : i + 6])
            of.rates()
            of.rates()
        # the last ones are read after the rates are published
        of.results(*tables[:10], unread=10)
        of.rates()
        for table in tables[:10]:
            of.monitor.update(table.rows, of.now)
        of.rates()
        # nothing for longer than the window
        of.now += 10.0
        of.rates()

    found = play(scene)
    assert (found.rows, found.checked, found.differences) == (71, 26, ())


def test_a_reset_and_a_result_that_is_no_result(tables: list[ResultTable], play: Play) -> None:
    def scene(of: Scene) -> None:
        of.results(*tables[:20])
        of.rates()
        of.monitor.reset()
        of.results(*tables[20:30])
        of.rates()
        broken = result_to_msg(tables[0], Header())
        broken.fields = broken.fields[1:]
        of.bag.write(RESULT, broken, round(of.now * SECOND))
        of.results(*tables[30:])
        of.rates()

    found = play(scene)
    assert (found.rows, found.checked, found.differences) == (61, 3, ())


def test_rows_that_the_monitor_has_missed_or_counted_twice(
    tables: list[ResultTable], play: Play
) -> None:
    def missed(of: Scene) -> None:
        of.results(*tables[:20])
        of.rates()
        # the rest never comes, and no reset tells why
        of.results(*tables[20:30], unread=5)
        of.results(*tables[30:])
        of.rates()

    assert [index for index, _ in play(missed).differences] == [1]

    def twice(of: Scene) -> None:
        of.results(*tables[:20])
        of.rates()
        of.monitor.update(tables[19].rows, of.now)
        of.rates()
        of.results(*tables[20:])
        of.rates()

    assert [index for index, _ in play(twice).differences] == [1, 2]


def test_counting_goes_on_at_the_same_row(tables: list[ResultTable], play: Play) -> None:
    """One like the row that is missing lies before those that were counted."""

    def scene(of: Scene) -> None:
        of.results(tables[0], tables[0], unread=2)
        of.results(*tables[1:30])
        of.rates()
        of.results(tables[0], unrecorded=1)
        of.results(*tables[30:])
        of.rates()

    assert [index for index, _ in play(scene).differences] == [1]


def test_a_recording_that_began_late(tables: list[ResultTable], play: Play) -> None:
    def scene(of: Scene) -> None:
        of.results(*tables[:20], unrecorded=3)
        of.rates()

    ((index, what),) = play(scene).differences
    assert index == 0
    assert what == "it counts 20 rows, which do not end within those recorded before it"


@pytest.mark.parametrize("column", range(3, 20))
def test_a_number_that_was_changed(tables: list[ResultTable], play: Play, column: int) -> None:
    def scene(of: Scene) -> None:
        of.results(*tables[:20])
        message = rates_to_msg(of.monitor.rates(of.now))
        names = message.layout.dim[1].label.split(",")
        place = 2 * len(names) + column
        message.data[place] = np.nextafter(message.data[place], 2.0)
        of.bag.write(RATES, message, round((of.now + 0.01) * SECOND))
        changed.append(names[column])

    changed: list[str] = []
    differences = play(scene).differences
    if changed == ["rows_per_second"]:
        assert differences == ()
    else:
        assert differences[0][1].startswith(f"last.{changed[0]} is ")


def test_what_can_not_be_counted_is_refused(
    tables: list[ResultTable], play: Play, tmp_path: Path
) -> None:
    with pytest.raises(BagError, match="no topics called rates of type std_msgs"):
        play(lambda of: of.results(*tables[:3]))
    with pytest.raises(BagError, match="no topics called result of type sensor_msgs"):
        play(lambda of: of.rates())

    def others(of: Scene) -> None:
        of.results(*tables[:3])
        of.bag.write(RATES, Float64MultiArray(data=[1.0]), round(of.now * SECOND))

    with pytest.raises(BagError, match="message 0 of /monitor_node/rates holds no rates"):
        play(others)
