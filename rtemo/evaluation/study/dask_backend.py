"""Tasks on a Dask cluster: this machine's, a LAN's, Slurm's or a cloud's, by the address of its scheduler."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rtemo.errors import ConfigurationError, RtemoError
from rtemo.evaluation.study.worker import Data, Job, Outcome, failed, run_job

logger = logging.getLogger(__name__)

CONNECT_S: Final = 15.0
MOST_ROUNDS: Final = 5
"""So often are tasks begun anew whose data went with the workers that held it."""


class DaskBackend:
    """Workers of a Dask cluster, as many as there are at any moment.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://10.0.0.1:8786``, or its scheduler file (``.json``).
    device : str
        As each worker sees it; with several GPUs on a machine, ``auto`` and ``cuda`` give each worker its own.
    security : distributed.Security, optional
        Of a ``tls://`` address, as ``cluster.security``; what the configuration of Dask says if not given.

    Raises
    ------
    RtemoError
        There is no scheduler, or its workers have another version of rtemo, or none.
    """

    def __init__(self, address: str, device: str = "auto", *, security: Any = None) -> None:
        try:
            self._distributed: Any = import_module("distributed")
        except ImportError as error:
            raise ConfigurationError(
                "--dask needs the package distributed.", cure="Install rtemo with its extra: pip install 'rtemo[dask]'."
            ) from error
        self._device = device
        by_file = Path(address).suffix == ".json"
        where: dict[str, Any] = {"scheduler_file": address} if by_file else {"address": address}
        try:
            if by_file:
                Path(address).read_bytes()  # The client would wait for a file that is not there, without end.
            else:
                _knock(address)
            self._client = self._distributed.Client(**where, security=security, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RtemoError(
                f"{address}: no Dask scheduler answers ({error}).",
                cure="Start one with 'dask scheduler', and give the address that it prints.",
            ) from error

    @property
    def workers(self) -> int:
        """How many workers there are now: each runs one task at a time."""
        return len(self._client.nthreads())

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()

    def __enter__(self) -> DaskBackend:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster."""
        self.close()

    def run(self, jobs: Sequence[Job], data: Mapping[str, Data]) -> Generator[Outcome, None, None]:
        """Outcomes as they come; see `Backend.run`. Waits for a first worker, as a batch system may take its time."""
        self._meet_workers()
        left = {job.task.key: job for job in jobs}
        for _ in range(MOST_ROUNDS):
            with contextlib.closing(self._round(list(left.values()), data)) as outcomes:
                for outcome in outcomes:
                    del left[outcome.result.task.key]
                    yield outcome
            if not left:
                return
            logger.warning(
                "%d tasks begin anew: the workers that held their data, or the scheduler, went away.", len(left)
            )
            try:
                self._meet_workers()
            except OSError as error:
                raise RtemoError(
                    f"the Dask scheduler went away ({error}).", cure="Start it again, then go on with --resume."
                ) from error
        lost = RtemoError(f"the workers that held its data went away {MOST_ROUNDS} times.", cure="Keep some alive.")
        yield from (failed(job.task, lost) for job in left.values())

    def _meet_workers(self) -> None:
        if not self.workers:
            logger.warning("the cluster has no workers yet: waiting for the first one.")
        self._client.wait_for_workers(1)
        if any(threads > 1 for threads in self._client.nthreads().values()):
            logger.warning("some workers have several threads, of which one is used: start them with --nthreads 1.")
        mine = version("rtemo")
        try:
            theirs = set(self._client.run(_version).values())  # At once, also by workers that are busy.
        except ImportError as error:
            raise RtemoError(
                f"the workers cannot import rtemo ({error}).",
                cure=f"Install rtemo[study,dask] {mine} where they run.",
            ) from error
        if theirs - {mine}:
            raise RtemoError(
                f"the workers have rtemo {', '.join(sorted(theirs))}, here it is {mine}.",
                cure="Install the same version everywhere.",
            )

    def _round(self, jobs: Sequence[Job], data: Mapping[str, Data]) -> Generator[Outcome, None, None]:
        """Outcomes of all but those tasks whose data was lost."""
        needed = dict.fromkeys(job.task.digest for job in jobs)
        # A copy knows no content hash yet: the worker finds it out for itself.
        there = {
            digest: self._client.scatter(replace(data[digest].dataset), broadcast=True, hash=False) for digest in needed
        }
        begun = {
            self._client.submit(run_job, job, there[job.task.digest], self._device, pure=False): job for job in jobs
        }
        try:
            for future in self._distributed.as_completed(list(begun), loop=self._client.loop):
                job = begun.pop(future)
                if future.cancelled():
                    continue
                error = future.exception()
                yield future.result() if error is None else failed(job.task, error)
                future.release()
        finally:
            self._client.cancel(list(begun))


def _knock(address: str) -> None:
    """Connect and leave: a client that finds nobody complains once more when it is collected.

    Raises
    ------
    OSError, ValueError
    """
    addressing = import_module("distributed.comm.addressing")
    scheme, place = addressing.parse_address(address)
    import_module("distributed.comm.registry").get_backend(scheme)
    if scheme == "tcp":  # Others would take it for a broken handshake.
        socket.create_connection(addressing.parse_host_port(place), timeout=CONNECT_S).close()


def _version() -> str:
    return version("rtemo")
