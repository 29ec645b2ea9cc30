"""Listens to every outlet of an LSL session with plain pylsl inlets, in a process of its own.

liblsl takes its configuration once a process, so tests that each need a session of their own cannot listen themselves.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

# In scope "machine" a query reaches one process only; in scope "link" it is a multicast, and reaches all.
SCOPE = "link"
CONFIGURATION = """
[multicast]
ResolveScope = {scope}
[lab]
SessionID = {session}
[tuning]
ContinuousResolveInterval = 0.05
MulticastMinRTT = 0.02
UnicastMinRTT = 0.02
TimeProbeInterval = 0.01
TimeProbeMaxRTT = 0.03
[log]
level = -3
"""


@dataclass
class Heard:
    """What came from one outlet."""

    uid: str
    name: str
    type: str
    source_id: str
    rate_hz: float
    xml: str
    opened_s: float
    lost_s: float | None = None
    offset_s: float | None = None
    stamps_s: Any = field(default_factory=list)
    came_s: Any = field(default_factory=list)
    values: Any = field(default_factory=list)

    @property
    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Sample numbers: the first channel."""
        return np.asarray(self.values)[:, 0].astype(np.int64)


class Listener:
    """A process that listens to a session until it is told to stop."""

    def __init__(self, session: str, folder: Path) -> None:
        self._out = folder / f"{session}.json"
        self._process = subprocess.Popen(
            [sys.executable, __file__, session, str(self._out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.communicate(timeout=20)

    def heard(self) -> list[Heard]:
        """Stop listening; what was heard, in the order in which outlets were found."""
        self._process.communicate(timeout=20)
        assert self._process.returncode == 0
        heard = [Heard(**fields) for fields in json.loads(self._out.read_text())]
        for one in heard:
            one.stamps_s, one.came_s = np.array(one.stamps_s), np.array(one.came_s)
        return heard


def main(session: str, out: str) -> None:
    import threading

    import pylsl

    pylsl.set_config_content(CONFIGURATION.format(session=session, scope=SCOPE))
    resolver = pylsl.ContinuousResolver(forget_after=1.0)
    found: dict[str, dict[str, Any]] = {}
    threads: list[threading.Thread] = []
    stop = threading.Event()

    def listen(info: pylsl.StreamInfo, heard: dict[str, Any]) -> None:
        inlet = pylsl.StreamInlet(info, max_buflen=60, recover=False, processing_flags=0)
        measuring = threading.Thread(target=measure, args=(inlet, heard))
        try:
            inlet.open_stream(timeout=2.0)
            measuring.start()
            heard["xml"] = inlet.info(timeout=2.0).as_xml()
            while not stop.is_set():
                values, stamps = inlet.pull_chunk(timeout=0.05, max_samples=1000)
                heard["values"] += values
                heard["stamps_s"] += stamps
                heard["came_s"] += [pylsl.local_clock()] * len(stamps)
        except (pylsl.util.LostError, pylsl.util.TimeoutError):
            heard["lost_s"] = pylsl.local_clock()
        finally:
            if measuring.ident is not None:
                measuring.join()
            inlet.close_stream()

    def measure(inlet: pylsl.StreamInlet, heard: dict[str, Any]) -> None:
        with contextlib.suppress(pylsl.util.LostError, pylsl.util.TimeoutError):
            heard["offset_s"] = inlet.time_correction(timeout=2.0)

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    print(json.dumps("ready"), flush=True)
    while not stop.wait(0.02):
        for info in resolver.results():
            if info.uid() not in found:
                found[info.uid()] = {
                    "uid": info.uid(),
                    "name": info.name(),
                    "type": info.type(),
                    "source_id": info.source_id(),
                    "rate_hz": info.nominal_srate(),
                    "xml": "",
                    "opened_s": pylsl.local_clock(),
                    "stamps_s": [],
                    "came_s": [],
                    "values": [],
                }
                threads.append(threading.Thread(target=listen, args=(info, found[info.uid()])))
                threads[-1].start()
    for thread in threads:
        thread.join()
    Path(out).write_text(json.dumps(list(found.values())))


if __name__ == "__main__":
    main(*sys.argv[1:])
