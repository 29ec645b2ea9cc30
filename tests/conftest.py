"""Shared fixtures: where the real recordings lie, and sources that are closed after the test."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from rtemo.sources.xdf import XdfSource

# As the command line does, and before anything imports NumPy or torch: on small windows, threads wait for each other.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A busy machine is no bug: pytest's own timeout catches what hangs.
settings.register_profile("rtemo", deadline=None)
settings.load_profile("rtemo")

BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Side by side (``-n 2``), tests over LSL still come one at a time, and those of a file together."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    @functools.cache
    def scope(path: str) -> str:
        return "lsl" if "pytest.mark.lsl" in (config.rootpath / path).read_text("utf-8") else path

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid.partition("::")[0])

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real recordings, from RTEMO_DATA or beside the checkout; the test is skipped without it."""
    named = os.environ.get("RTEMO_DATA")
    folder = Path(named) if named else BESIDE_CHECKOUT
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} does not exist (set RTEMO_DATA)")
    return folder


@pytest.fixture
def opened() -> Iterator[Callable[..., XdfSource]]:
    """Opens XDF sources and closes them after the test."""
    from rtemo.sources.xdf import XdfSource

    with contextlib.ExitStack() as stack:

        def opener(path: Path, unsynchronised: bool = False) -> XdfSource:
            source = XdfSource(path, unsynchronised=unsynchronised)
            stack.callback(source.close)
            return source

        yield opener
