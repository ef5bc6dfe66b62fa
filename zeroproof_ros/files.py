"""Files that appear as a whole or not at all."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there takes its place, unless something is raised.

    Raises:
        OSError: it can not be put in place; a file that was there is as it was.
    """
    staging = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        yield staging
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made, and put them in place in their order.

    Raises:
        OSError: one of them can not be written; then none is put in place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as staging:
        for name, content in contents.items():
            Path(staging, name).write_bytes(content)
        for name in contents:
            Path(staging, name).replace(folder / name)
