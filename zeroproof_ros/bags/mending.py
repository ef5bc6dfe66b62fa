"""MCAP files whose recorder was killed: as far as they go."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

# The format: https://mcap.dev/spec
MAGIC = b"\x89MCAP0\r\n"
RECORD = struct.Struct("<BQ")  # opcode, and the length of what follows
FOOTER = 0x02
NEW, PRIVATE = 0x10, 0x80  # no record has an opcode from the first on, up to the second
# Its body: where the summary starts, where its offsets do, and a checksum; 0 for none.
NO_SUMMARY = RECORD.pack(FOOTER, 20) + bytes(20)


def whole_part(path: Path) -> int | None:
    """Where the last whole record of an MCAP file ends [bytes]; None where nothing is missing.

    None also for a file that is no MCAP, which its reader refuses.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        size, end = os.fstat(file.fileno()).st_size, len(MAGIC)
        while len(head := file.read(RECORD.size)) == RECORD.size:
            opcode, length = RECORD.unpack(head)
            if opcode == FOOTER:
                ended = end + len(NO_SUMMARY) + len(MAGIC) == size and file.read().endswith(MAGIC)
                return None if ended else end
            # a lost block of a file is all 0
            if opcode == 0 or NEW <= opcode < PRIVATE or end + RECORD.size + length > size:
                break
            end = file.seek(end + RECORD.size + length)
    return end


def mended(path: Path, end: int, folder: Path) -> Path:
    """A copy in a folder, with an end after so many bytes, which its reader needs."""
    copy = folder / path.name
    with path.open("rb") as file, copy.open("wb") as out:
        shutil.copyfileobj(file, out)
        out.truncate(end)
        out.seek(end)
        out.write(NO_SUMMARY + MAGIC)
    return copy
