"""Processes that evaluate recordings beside each other: on this machine, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from zeroproof_ros.errors import ConfigError

# So long a scheduler may take to answer [s].
CONNECT_TIMEOUT = 10


@contextmanager
def workers(count: int) -> Iterator[Executor | None]:
    """So many processes here; None for one, which is this one."""
    if count == 1:
        yield None
        return
    # A forked process would share the threads of ONNX Runtime, which it does not have.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler; they find recordings and bundles by the same paths.

    Raises:
        ConfigError: `distributed` is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "a Dask cluster needs the package distributed, which is not installed; "
            "pip install distributed"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address!r}: {error}", found=address
        ) from error
    with client:
        yield client.get_executor()
