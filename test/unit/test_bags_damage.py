"""A damaged recording is refused, or read as far as it goes and says so."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import Message, answered, read, targets, write_bag, write_file
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from zeroproof_ros.bags import Recording
from zeroproof_ros.bags.mending import MAGIC, RECORD
from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import BagError
from zeroproof_ros.pipeline import StrictIK

MESSAGES = targets(30)
DATA = [message.data for message in MESSAGES]


def as_far_as_it_goes(path: Path) -> tuple[list[bytes], list[str]] | None:
    """What can be read, None where it is refused; anything else is a failure."""
    try:
        return read(path)
    except BagError as error:
        return None if str(path) in str(error) else pytest.fail(f"no path in: {error}")


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and bytes of every record of an MCAP file."""
    at = len(MAGIC)
    while at < len(content) - len(MAGIC):
        opcode, length = RECORD.unpack_from(content, at)
        end = at + RECORD.size + length
        yield opcode, content[at:end]
        at = end


def unindexed(content: bytes, messages: list[Message] = MESSAGES) -> bytes:
    """The same without chunks and summary, as the recorder writes it in a hurry."""
    parts, channels = [], []
    for opcode, record in records(content):
        if opcode == 1:
            parts.append(record)
        if opcode in (3, 4):
            channels.append(record)
    for sequence, (_, _, data, time_ns) in enumerate(messages):
        body = struct.pack("<HIQQ", 1, sequence, time_ns, time_ns) + data
        parts.append(RECORD.pack(5, len(body)) + body)
    parts[1:1] = channels
    parts += [RECORD.pack(15, 4) + bytes(4), RECORD.pack(2, 20) + bytes(20)]
    return MAGIC + b"".join(parts) + MAGIC


@pytest.fixture(params=["chunks", "compressed", "unindexed"])
def mcap(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    mode = CompressionMode.STORAGE if request.param == "compressed" else CompressionMode.NONE
    file = write_file(tmp_path / "bag.mcap", MESSAGES, mode=mode)
    if request.param == "unindexed":
        file.write_bytes(unindexed(file.read_bytes()))
    assert read(file) == (DATA, [])
    return file


def test_an_mcap_file_cut_anywhere(mcap: Path) -> None:
    content, lengths = mcap.read_bytes(), set()
    for length in range(0, len(content), 5):
        mcap.write_bytes(content[:length])
        found = as_far_as_it_goes(mcap)
        if found is None:
            assert length < 120  # not even its first record is whole
            continue
        data, problems = found
        assert data == DATA[: len(data)]
        assert problems[0].startswith("bag.mcap has no end: its recorder was killed, or it was cut")
        lengths.add(len(data))
    assert {0, 30} <= lengths


def test_all_whole_records_of_a_cut_file_are_found(tmp_path: Path) -> None:
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    content = unindexed(file.read_bytes())
    message = len(b"".join(record for opcode, record in records(content) if opcode == 5)) // 30
    start = content.index(RECORD.pack(5, message - RECORD.size))
    for count in range(30):
        for cut in (0, 1, message - 1):
            file.write_bytes(content[: start + count * message + cut])
            found, problems = read(file)
            assert found == DATA[:count]
            assert f"; {cut} bytes after its last whole record are lost" in problems[0]


def test_the_summary_may_be_missing(tmp_path: Path) -> None:
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    content = file.read_bytes()
    for end, problems in (
        (MAGIC, 1),  # the file is closed, but nobody wrote what is in it
        (RECORD.pack(2, 20) + bytes(20) + MAGIC, 0),
    ):
        data = b"".join(record for opcode, record in records(content) if opcode in (1, 6))
        file.write_bytes(MAGIC + data + end)
        found, told = read(file)
        assert (found, len(told)) == (DATA, problems)


@pytest.mark.parametrize("length", [0, 1, 5000, 1 << 40, (1 << 64) - 1])
def test_a_record_length_that_lies_is_told(tmp_path: Path, length: int) -> None:
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    content = bytearray(unindexed(file.read_bytes()))
    at = content.index(DATA[10]) - 22 - RECORD.size
    content[at : at + RECORD.size] = RECORD.pack(5, length)
    file.write_bytes(content)
    found = as_far_as_it_goes(file)
    if found is not None:
        data, problems = found
        assert data == DATA[:10]
        assert problems


@pytest.mark.parametrize("opcode", [0x00, 0x02, 0x10, 0x7F])
def test_what_is_no_record_ends_what_can_be_read(tmp_path: Path, opcode: int) -> None:
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    content = bytearray(unindexed(file.read_bytes()))
    at = content.index(DATA[10]) - 22 - RECORD.size
    if opcode == 0:  # a block that the disk has lost, up to the next record
        content[at : content.index(DATA[14]) - 22 - RECORD.size] = bytes(4 * (len(DATA[0]) + 31))
    content[at] = opcode
    file.write_bytes(content)
    found, problems = read(file)
    assert found == DATA[:10]
    assert problems[0].startswith("bag.mcap has no end")


@given(seed=st.integers(0, 1 << 32), kind=st.sampled_from(["flip", "zeros", "noise"]))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_mcap_file_with_a_damaged_part(mcap: Path, seed: int, kind: str) -> None:
    content = mcap.read_bytes()
    mcap.write_bytes(damaged(content, seed, kind))
    found = as_far_as_it_goes(mcap)
    same_records = opcodes(mcap.read_bytes()) == opcodes(content)
    mcap.write_bytes(content)
    # without a summary nobody knows of a message that became another kind of record
    if found is not None and len(found[0]) != len(DATA) and same_records:
        assert found[1]


def opcodes(content: bytes) -> list[int]:
    try:
        return [opcode for opcode, _ in records(content)]
    except struct.error:
        return []


@given(seed=st.integers(0, 1 << 32), kind=st.sampled_from(["flip", "zeros", "noise", "cut"]))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_sqlite_file(tmp_path: Path, seed: int, kind: str) -> None:
    file = tmp_path / "bag.db3"
    if not file.exists():
        write_file(file, MESSAGES)
    content = file.read_bytes()
    file.write_bytes(damaged(content, seed, kind))
    found = as_far_as_it_goes(file)
    file.write_bytes(content)
    if found is not None and len(found[0]) < len(DATA):
        assert found[1]


def damaged(content: bytes, seed: int, kind: str) -> bytes:
    """The content with one part changed, or without what follows a place."""
    draw = random.Random(seed)  # noqa: S311 -- no secret
    start, length = draw.randrange(len(content)), draw.choice([1, 8, 100, 4096])
    if kind == "cut":
        return content[:start]
    part = {
        "flip": bytes([content[start] ^ 1 << draw.randrange(8)]),
        "zeros": bytes(length),
        "noise": draw.randbytes(length),
    }[kind]
    return (content[:start] + part + content[start + len(part) :])[: len(content)]


@given(data=st.binary(max_size=200), at=st.integers(0, 29))
@settings(max_examples=40)
def test_messages_of_garbage_are_counted(
    tmp_path_factory: pytest.TempPathFactory, exact_model: Bundle, data: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    messages = [*MESSAGES[:at], MESSAGES[at]._replace(data=data), *MESSAGES[at + 1 :]]
    bag = answered(
        write_bag(folder / "bag", messages), StrictIK(exact_model), folder / "result.mcap"
    )
    assert bag.facts.messages == 30
    assert len(bag.rows) + sum(bag.facts.refused.values()) == 30
    assert not bag.facts.problems
    for refusal in bag.facts.refusals:
        assert refusal.startswith(f"message {at}: ")


def test_a_message_cut_anywhere_is_counted(tmp_path: Path, exact_model: Bundle) -> None:
    data = DATA[0]
    cut = [m._replace(data=data[:i]) for i, m in enumerate(targets(len(data)))]
    bag = answered(write_bag(tmp_path / "bag", cut), StrictIK(exact_model), tmp_path / "r.mcap")
    assert sum(bag.facts.refused.values()) == len(data)
    assert len(bag.rows) == 0
    assert len(bag.facts.refusals) == 20


def test_a_length_that_lies_inside_a_message_takes_no_memory(
    tmp_path: Path, exact_model: Bundle
) -> None:
    data = DATA[0]
    huge = struct.pack("<I", 0xFFFF_FFF0)
    lies = [data[:i] + huge + data[i + 4 :] for i in range(4, len(data) - 4, 4)]
    messages = [m._replace(data=d) for m, d in zip(targets(len(lies)), lies, strict=True)]
    bag = answered(
        write_bag(tmp_path / "bag", messages), StrictIK(exact_model), tmp_path / "r.mcap"
    )
    assert len(bag.rows) + sum(bag.facts.refused.values()) == len(lies)
    assert bag.facts.refused["undecodable"] > 5


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_whole_recording_is_not_called_damaged(tmp_path: Path, storage: StoragePlugin) -> None:
    for mode in CompressionMode:
        if (storage, mode) != (StoragePlugin.SQLITE3, CompressionMode.STORAGE):
            bag = write_bag(tmp_path / mode.name, MESSAGES, storage=storage, mode=mode)
            with Recording(bag) as recording:
                assert not recording.problems
