"""Processes that evaluate recordings beside each other: on this machine, or on a Dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from zeroproof_ros.errors import ConfigError, WorkerError

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
        ConfigError: `distributed` is not installed.
        WorkerError: no scheduler answers, or none that has workers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "a Dask cluster needs the package distributed, which is not installed; "
            "pip install distributed"
        ) from error
    try:
        # Whatever listens there, a client waits for its first word, and without an end.
        asyncio.run(asyncio.wait_for(_greet(address), CONNECT_TIMEOUT))
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except Exception as error:  # of any library that the address leads to
        raise WorkerError(
            f"no Dask scheduler answers at {address!r}: {str(error) or type(error).__name__}; "
            "expected an address such as tcp://127.0.0.1:8786",
            found=address,
        ) from error
    with client:
        if not client.nthreads():  # they would be waited for
            raise WorkerError(f"the Dask scheduler at {address} has no workers", found=address)
        # The same recording may have changed since it was answered last.
        yield client.get_executor(pure=False)


async def _greet(address: str) -> None:
    from distributed.comm.core import connect

    await (await connect(address)).close()
