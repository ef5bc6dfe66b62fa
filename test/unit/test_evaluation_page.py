"""The page of an evaluation says what report.json says, of whatever was recorded, and safely."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which reads recordings")

from evaluated import OUT_OF_REACH, START, Page, Written, drawn, recorded, written
from hypothesis import example, given
from hypothesis import strategies as st

from zeroproof_ros.bags import BagFile, Recording, document
from zeroproof_ros.bags.page import page, rejected
from zeroproof_ros.bags.page.html import verdict
from zeroproof_ros.bags.page.markup import element, table
from zeroproof_ros.pipeline import Reason, ResultTable, explain
from zeroproof_ros.text import escaped

ROOT = Path(__file__).parents[2]
LEARNED = ROOT / "config" / "bundles" / "planar_2r"
HOSTILE = "</script><script>document.title='x'</script><img src=x onerror=alert(1)>&amp;\u202e\"'"


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two recordings with some rows that nobody serves; the second an hour later."""
    folder = tmp_path_factory.mktemp("bags")
    rows = drawn(300, seed=1)
    rows[[7, 8, 9]] = OUT_OF_REACH
    rows[20, 0], rows[21, 1], rows[22, 2] = np.nan, np.inf, -np.inf
    later = START + 3600 * 10**9
    return [
        recorded(folder / "first.mcap", rows),
        recorded(folder / "second.mcap", drawn(200, seed=2, step=0.8), start=later),
    ]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, bags: list[Path]) -> Written:
    return written(tmp_path_factory.mktemp("one"), bags, [LEARNED])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, bags: list[Path], exact_folder: Path) -> Written:
    return written(tmp_path_factory.mktemp("two"), bags, [LEARNED, exact_folder])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Nothing is rejected."""
    out = tmp_path_factory.mktemp("good")
    bag = recorded(out / "good.mcap", np.tile([0.3, 1.2, 0.01, -0.02], (50, 1)))
    return written(out, [bag], [LEARNED])


def policy_of(html: str) -> dict[str, str]:
    (content,) = (m["content"] for m in Page(html).all("meta") if "http-equiv" in m)
    return dict(part.split(maxsplit=1) for part in str(content).split("; "))


def test_only_its_own_script_runs_and_nothing_is_fetched(one: Written) -> None:
    found = Page(one.html)
    data, script = (text for tag, text in found.texts if tag == "script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = policy_of(one.html)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert found.all("script") == [{"type": "application/json", "id": "rejected-rows"}, {}]
    assert json.loads(data)["bundles"] == 1
    links = [a[name] for _, a in found.elements for name in ("href", "src") if name in a]
    assert all(str(link).startswith(("#", "data:")) for link in links)
    assert len(found.all("style")) == 1
    assert re.findall(r"url\((?!#)|@import", found.text("style")) == []
    assert not any(name.startswith("on") for _, a in found.elements for name in a)


@pytest.mark.parametrize("which", ["one", "two", "good"])
def test_it_can_be_read_without_eyes_and_without_a_mouse(
    which: str, request: pytest.FixtureRequest
) -> None:
    found = Page(request.getfixturevalue(which).html)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("h1")) == 1
    targets = {str(a["href"])[1:] for a in found.all("a")}
    assert targets <= set(ids)
    assert len(targets) == len(found.all("h2")) == len(found.all("section"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in found.all("svg"))
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(head["scope"] in {"col", "row"} for head in found.all("th"))
    scrolling = [a for a in found.all("div") if a["class"] == "scroll"]
    assert all(a["tabindex"] == "0" and a["role"] and a["aria-label"] for a in scrolling)


@pytest.mark.parametrize("which", ["one", "two", "good"])
def test_the_figures_are_those_of_the_report(which: str, request: pytest.FixtureRequest) -> None:
    case = request.getfixturevalue(which)
    found = Page(case.html).tables
    parts = case.report["evaluations"]
    rows = {}
    for caption in (
        "Rates and counts",
        "Residuals of the rows that each served",
        "Shares of rows by source and reason",
    ):
        head, *lines = found[caption]
        for name, *cells in lines:
            values = dict(enumerate(cells))
            told = [values[i] for i, title in enumerate(head[1:]) if title != "validated"]
            rows[name] = [None if cell == "not told" else float(cell) for cell in told]
    assert rows == {name: [p["figures"][name] for p in parts] for name in parts[0]["figures"]}


def test_the_validated_rates_stand_beside_those_that_were_found(one: Written) -> None:
    head, *rows = Page(one.html).tables["Rates and counts"]
    told = {row[0]: row[head.index("validated")] for row in rows}
    rates = one.report["evaluations"][0]["bundle"]["validation"]["rates"]
    for name in ("coverage", "bottom_rate", "gap_rate"):
        assert float(told[name]) == pytest.approx(rates[name], rel=1e-5)
    assert told["reject_rate"] == ""


def test_the_bundle_the_recordings_and_the_parameters_are_told(one: Written) -> None:
    found = Page(one.html)
    (part,) = one.report["evaluations"]
    bundle = dict(found.tables["Who answered"][1:])
    assert bundle["digest"] == part["bundle"]["digest"]
    assert float(bundle["tau_infer"]) == pytest.approx(part["bundle"]["tau_infer"], rel=1e-5)
    assert bundle["providers"] == "CPUExecutionProvider"
    assert "made_by: python3 -m zeroproof_ros reference" in bundle["model"]
    head, first, second = found.tables["Recordings"]
    cells = dict(zip(head, second, strict=True))
    assert first[1].endswith("first.mcap")
    assert cells["first target [UTC]"] == "2025-06-15 16:06:40.000"
    assert cells["last target [UTC]"] == "2025-06-15 16:06:43.980"
    assert (cells["length [s]"], cells["targets"], cells["rows"]) == ("3.98", "200", "200")
    parameters = dict(found.tables["Parameters of strict_ik_node"][1:])
    assert parameters["target_timeout"] == "0.5"
    assert float(parameters["residual_tolerance"]) == 0.05


@pytest.mark.parametrize("which", ["one", "two"])
def test_every_rejected_row_is_embedded(which: str, request: pytest.FixtureRequest) -> None:
    case = request.getfixturevalue(which)
    found = Page(case.html).rejected
    at = 0
    for number, evaluation in enumerate(case.evaluations, start=1):
        index = np.flatnonzero(evaluation.rows["source"] == 0)
        rows, origin = evaluation.rows[index], evaluation.origin[index]
        here = slice(at, at + len(index))
        at += len(index)
        assert len(index) > 20
        assert found["bundle"][here] == [number] * len(index)
        assert found["index"][here] == index.tolist()
        assert found["recording"][here] == origin["bag"].tolist()
        assert found["message"][here] == origin["message"].tolist()
        assert [round(ms * 1e6) for ms in found["recorded"][here]] == pytest.approx(
            origin["recorded_ns"].tolist(), abs=1000, rel=0
        )
        names = [found["reasonNames"][code] for code in found["reason"][here]]
        assert names == [Reason(code).name.lower() for code in rows["reason"]]
        for bit, mask in enumerate(found["maskNames"]):
            assert [m >> bit & 1 for m in found["masks"][here]] == rows[mask].tolist()
        table_ = ResultTable(evaluation.ik.layout, evaluation.rows)
        assert found["explained"][here] == [explain(evaluation.ik, table_, i) for i in index]
        columns = [(f"in.{f}", rows["in"][:, i]) for i, f in enumerate(("theta1", "theta2"))]
        for name, values in [*columns, ("|Q|", rows["q_abs"]), ("residual", rows["residual"])]:
            np.testing.assert_array_equal(np.array(found[name][here], dtype=float), values)
    assert at == len(found["index"])
    assert {"nan", "inf"} <= {v for v in found["in.theta1"] + found["in.theta2"] if v != float(v)}


def test_without_a_rejected_row_it_says_so(good: Written) -> None:
    found = Page(good.html)
    assert "No row was rejected." in found.text("p")
    assert found.rejected["index"] == []
    assert found.all("input") == []


def test_a_long_list_says_where_it_ends(one: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "LISTED", 20)
    monkeypatch.setattr(rejected, "EXPLAINED", 5)
    found = Page(page(one.report, one.evaluations))
    assert len(found.rejected["index"]) == 20
    assert [bool(text) for text in found.rejected["explained"]] == [True] * 5 + [False] * 15
    told = found.text("p")
    assert "of 500 rows were rejected; the first 20 are listed here, all are in rows.npz" in told
    assert "the first 5 with a sentence" in told


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"coverage": {"min": 0.5}}, "Passed: 1 of 1 gates, over 500 rows of 500 targets in 2 rec"),
        (
            {"coverage": {"min": 0.5}, "reject_rate": {"max": 0.0}},
            "FAILED: gate reject_rate, expected <= 0: reject_rate is",
        ),
    ],
)
def test_the_verdict_is_one_sentence(
    one: Written, limits: dict[str, dict[str, float]], said: str
) -> None:
    found = document(one.evaluations, limits, against=None, tolerance=1e-6)
    (sentence,) = verdict(found)
    assert said in str(sentence.text)
    assert sentence.attrib["class"] == f"verdict {'passed' if found['passed'] else 'failed'}"


def test_what_no_verdict_looked_at_is_said(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    recorded(killed / "killed_0.mcap", drawn(20, seed=3))
    refused = recorded(tmp_path / "refused.mcap", drawn(10, seed=3), frame="elsewhere")
    case = written(tmp_path / "out", [killed, refused], [LEARNED])
    found = Page(case.html)
    told = found.text("p", "li")
    assert "Partial: targets or recorded results may be missing" in told
    assert "it has no metadata.yaml: its recorder did not end" in told
    assert "refused 10 of 30 targets, which then have no rows" in told
    assert "message 0: " in told
    assert found.tables["Recordings"][2][-2] == "10 frame"


def test_of_no_rows_there_is_nothing_to_draw(tmp_path: Path) -> None:
    bag = recorded(tmp_path / "refused.mcap", drawn(10, seed=3), frame="elsewhere")
    found = Page(written(tmp_path / "out", [bag], [LEARNED]).html)
    assert "There was no row to judge." in found.text("p")
    assert found.all("svg") == []
    assert ["coverage", "not told", "0.976398"] in found.tables["Rates and counts"]


def test_the_pictures_say_how_many_rows_they_show(one: Written) -> None:
    (evaluation,) = one.evaluations
    rows, config = evaluation.rows, evaluation.ik.bundle.config
    found = Page(one.html)
    drawn_text = [text for tag, text in found.texts if tag == "text"]
    placed = np.isfinite(rows["x"])
    for source, name in enumerate(("nobody", "model", "solver")):
        count = np.count_nonzero(placed & (rows["source"] == source))
        assert f"{name}: {count} rows" in drawn_text
    for source, name in ((1, "model"), (2, "solver")):
        assert f"{name} ({np.count_nonzero(rows['source'] == source)} rows)" in drawn_text
    told = rows["q_abs"][np.isfinite(rows["q_abs"])]
    assert f"{len(told)} rows" in drawn_text
    captions = found.text("figcaption")
    for tau in (config.tau_infer, config.tau_train):
        assert f"{100 * np.mean(told < tau):.4g} % of the rows that tell |Q| are below" in captions
    assert f"{np.count_nonzero(~placed)} rows have no position" in captions
    assert {"tolerance 0.05", "tolerance 0.9", "tau_infer", "tau_train"} <= set(drawn_text)


def test_two_bundles_stand_side_by_side(two: Written) -> None:
    found = Page(two.html)
    names = [f"{n}: {p['bundle']['id']}" for n, p in enumerate(two.report["evaluations"], start=1)]
    assert found.tables["Who answered"][0] == ["", *names]
    apart = two.report["disagreement"]
    assert apart["differing"] > 0
    assert f"{apart['differing']} of 500 rows that both answered end otherwise" in found.text("p")
    told = found.tables["Rows that end otherwise, by column"][1:]
    assert {name: int(count) for name, count in told} == apart["by_column"]
    count = min(50, apart["differing"])
    head, first, *more = found.tables[
        f"The first {count} of {apart['differing']} rows that end otherwise"
    ]
    assert head[0] == "recording"
    assert head[-2:] == names
    assert len(more) == count - 1
    assert int(first[1]) == apart["first"][0]["message"]
    assert found.rejected["bundles"] == 2
    assert len(found.all("figure")) == 6


def test_rows_that_differ_from_recorded_ones_are_told(tmp_path: Path, bags: list[Path]) -> None:
    first = written(tmp_path / "first", bags[:1], [LEARNED])
    with BagFile(tmp_path / "both.mcap") as both:
        for path in (bags[0], first.out / "1" / "result.mcap"):
            with Recording(path) as recording:
                for index, message in enumerate(recording.messages(*recording.topics)):
                    data = bytearray(message.data)
                    # the message of a result ends with its source, its reason, 2 bytes, is_dense
                    if message.topic.endswith("result") and index == 0:
                        data[-5], data[-4] = 2, 1
                    name = recording.topics[message.topic]
                    both.write_data(message.topic, name, bytes(data), message.time_ns)
    case = written(tmp_path / "out", [tmp_path / "both.mcap"], [LEARNED], against="result")
    found = Page(case.html)
    assert "FAILED: gate against, expected 0 rows differ: of 300 recorded rows" in found.text("p")
    assert found.tables["Rows that differ, by column"][1:] == [["source", "1"], ["reason", "1"]]
    (_, row) = found.tables["The first 1 of 1 rows that differ"]
    assert row[-2:] == ["source model, reason ok", "source analytic, reason bottom"]


def test_text_of_others_comes_out_as_text(tmp_path: Path, good: Written) -> None:
    name = HOSTILE.replace("/", "_")
    folder = tmp_path / name
    shutil.copytree(LEARNED, folder)
    metadata = json.loads((folder / "metadata.json").read_text("utf-8"))
    block = metadata["deployment"]
    block["features"][0] = block["joint_features"][0] = HOSTILE
    block["base_frame"] = block["model"]["made_by"] = HOSTILE
    block["model"][HOSTILE] = HOSTILE
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    features = (HOSTILE, "theta2", "dx", "dy")
    fine = recorded(tmp_path / f"{name}.mcap", [OUT_OF_REACH], features=features)
    refused = recorded(tmp_path / "refused.mcap", drawn(3, seed=1), frame=HOSTILE + "!")
    case = written(tmp_path / "out", [fine, refused], [folder])
    found, plain = Page(case.html), Page(good.html)
    shown = escaped(HOSTILE)
    bundle = dict(found.tables["Who answered"][1:])
    assert bundle["base_frame"] == shown
    assert bundle["features"] == f"{shown}, theta2, dx, dy"
    assert f"made_by: {shown}; " in bundle["model"]
    assert f"{shown}: {shown}" in bundle["model"]
    assert found.tables["Recordings"][1][1].endswith(escaped(f"{name}.mcap"))
    assert f"Tool positions in {shown} [m]" in found.text("figcaption")
    assert "<img src=x onerror=alert(1)>" in found.text("li")
    assert f"in.{shown}" in found.rejected
    assert shown in found.rejected["explained"][0]
    assert found.text("title", "h1", "style") == plain.text("title", "h1", "style")
    assert len(found.all("script")) == 2
    data, _ = (text for tag, text in found.texts if tag == "script")
    # nothing that could end the element, for whatever parser
    assert set(data).isdisjoint("<>&")
    assert found.all("img") == []
    assert "\u202e" not in case.html
    assert policy_of(case.html) == policy_of(good.html)


def test_the_same_evaluation_is_the_same_page(
    tmp_path: Path, bags: list[Path], two: Written
) -> None:
    bundles = [evaluation.ik.bundle.path for evaluation in two.evaluations]
    assert written(tmp_path, bags, bundles).html == two.html
    slower = {**two.report, "run": {"seconds": 2.0, "rows_per_second": 1.0}}
    assert page(slower, two.evaluations).replace("It took 2.0 s", "It took 1.0 s") == two.html


def test_a_page_does_not_grow_with_the_rows_that_are_served(good: Written) -> None:
    (evaluation,) = good.evaluations
    many = replace(
        evaluation,
        rows=np.tile(evaluation.rows, 4000),
        origin=np.tile(evaluation.origin, 4000),
    )
    assert len(page(good.report, [many])) < 2 * len(good.html)


@given(st.text())
@example(HOSTILE)
@example("<!--")
@example("]]>")
@example("\x00\x1b[2J\ud800")
def test_any_text_may_be_in_an_element(text: str) -> None:
    made = element("p", text, element("b", text), text, title=text)
    found = Page(ET.tostring(made, encoding="unicode", method="html"))
    assert found.elements == [("p", {"title": escaped(text)}), ("b", {})]
    assert found.text() == 3 * escaped(text)


def test_a_table_tells_kinds_of_values() -> None:
    rows = [("a", 1, 0.5, None), ("b", True, [], [1.0, "x"])]
    html = ET.tostring(table("T", ("name", "x", "y", "z"), rows), encoding="unicode", method="html")
    assert Page(html).tables["T"] == [
        ["name", "x", "y", "z"],
        ["a", "1", "0.5", "not told"],
        ["b", "yes", "none", "1, x"],
    ]
