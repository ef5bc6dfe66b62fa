"""Reading the files of a bundle: once, without following links, up to a limit."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from zeroproof_ros.errors import BundlePathError

# Of all files together. A model of four million weights has half of it.
MAX_BYTES = 1 << 25
_LINK = (
    "it is a symbolic link, as colcon build --symlink-install makes them; name the folder with the "
    "file itself"
)
# A file name that means the same on every system and cannot leave its folder.
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class BundleFile:
    """A file of a bundle as it was read: name, size [bytes] and SHA-256."""

    name: str
    size: int
    sha256: str


class BundleFolder:
    """An opened folder; use it in a `with` statement.

    Names are looked up in the folder that was opened, whatever its path comes to mean meanwhile,
    and each file is read once: what is checked is what is used.

    Args:
        path: the folder.

    Attributes:
        contents: the content of every file read so far, by name.

    Raises:
        BundlePathError: no such folder, or it can not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: dict[str, bytes] = {}
        try:
            self._opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BundlePathError(
                f"{path} is not a readable folder: {error.strerror}; a bundle is a folder with "
                "metadata.json and its model",
                path=path,
            ) from error

    def __enter__(self) -> BundleFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._opened)

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """The content of a file of the folder.

        Args:
            name: a plain file name.
            limit: its largest size [bytes]; all files together have at most `MAX_BYTES`.

        Raises:
            BundlePathError: no plain name, missing, not a regular file (a symbolic link is none),
                not readable, larger than the limit, or read before.
        """
        if not PLAIN_NAME.fullmatch(name) or name in self.contents:
            raise BundlePathError(
                f"{name!r} can not be read from {self.path}: expected a plain file name, each file "
                "for one purpose",
                found=name,
                path=self.path,
            )
        path = self.path / name
        limit = min(limit, MAX_BYTES - sum(map(len, self.contents.values())))
        # Without blocking, since the name may be that of a pipe nobody writes to.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(name, flags, dir_fd=self._opened), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise BundlePathError(
                        f"{name!r} is not a regular file inside {self.path}", found=name, path=path
                    )
                content = file.read(limit + 1)
        except OSError as error:
            why = _LINK if error.errno == errno.ELOOP else error.strerror
            raise BundlePathError(
                f"{name!r} is not a regular file inside {self.path}: {why}",
                found=name,
                path=path,
            ) from error
        if len(content) > limit:
            raise BundlePathError(
                f"{path} has more than {limit} bytes, the most it may have; a bundle has up to "
                f"{MAX_BYTES}",
                expected=limit,
                path=path,
            )
        self.contents[name] = content
        return content

    def files(self) -> tuple[BundleFile, ...]:
        """The files read so far, sorted by name."""
        return tuple(
            BundleFile(name, len(content), sha256(content))
            for name, content in sorted(self.contents.items())
        )


def digest_of(files: Iterable[BundleFile]) -> str:
    """SHA-256 of what `sha256sum` prints for files, in their order."""
    return sha256("".join(f"{file.sha256}  {file.name}\n" for file in files).encode())


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes in lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
