"""MCAP files whose recorder was killed: as far as they go."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

# The format: https://mcap.dev/spec
MAGIC = b"\x89MCAP0\r\n"
RECORD = struct.Struct("<BQ")  # opcode, and the length of what follows
FOOTER = 0x02
# Where the summary starts, where its offsets do, and a checksum; 0 for none.
FOOTER_BODY = struct.Struct("<QQI")
FOOTER_HEAD = RECORD.pack(FOOTER, FOOTER_BODY.size)
END = len(FOOTER_HEAD) + FOOTER_BODY.size + len(MAGIC)


def whole_part(path: Path) -> int | None:
    """Where the last whole record of an MCAP file ends [bytes]; None where nothing is missing.

    A file with a summary is believed, as its reader holds every record against that. None also for
    a file that is no MCAP, which its reader refuses.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        size = file.seek(0, os.SEEK_END)
        summary = _summary_start(file, size)
        if summary:
            return None
        end = _last_whole_record(file, size)
        return None if summary == 0 and end == size - END else end


def mended(path: Path, end: int, folder: Path) -> Path:
    """A copy in a folder, with an end after so many bytes, which its reader needs."""
    copy = folder / path.name
    with path.open("rb") as file, copy.open("wb") as out:
        shutil.copyfileobj(file, out)
        out.truncate(end)
        out.seek(end)
        out.write(FOOTER_HEAD + FOOTER_BODY.pack(0, 0, 0) + MAGIC)
    return copy


def _summary_start(file: BinaryIO, size: int) -> int | None:
    """What the footer says, 0 for no summary; None where there is no footer."""
    file.seek(max(0, size - END))
    end = file.read()
    if len(end) < END or not (end.startswith(FOOTER_HEAD) and end.endswith(MAGIC)):
        return None
    start: int = FOOTER_BODY.unpack_from(end, len(FOOTER_HEAD))[0]
    return start


def _last_whole_record(file: BinaryIO, size: int) -> int:
    """Where the last record ends that is whole and no footer."""
    end = file.seek(len(MAGIC))
    while len(head := file.read(RECORD.size)) == RECORD.size:
        opcode, length = RECORD.unpack(head)
        # no record has opcode 0, which is what a file system leaves of a lost block
        if opcode in (0, FOOTER) or end + RECORD.size + length > size:
            break
        end = file.seek(end + RECORD.size + length)
    return end
