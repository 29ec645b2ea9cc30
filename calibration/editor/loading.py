"""Reads a recording in a thread of its own, so that the window stays responsive."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calibration.editor.pyramid import BUDGET_BYTES, Pyramid, envelopes
from calibration.labels.survey import Survey, survey_recording
from rtemo.config import Configuration
from rtemo.sources import open_recording
from rtemo.types import Chunk, Marker


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A recording, ready to be shown.

    Parameters
    ----------
    survey : Survey
    pyramids : mapping of str to Pyramid
        By stream, in the order of the file; streams without samples have none.
    left_out : int
        Samples that are not drawn, as they came after younger ones.
    """

    survey: Survey
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)
    left_out: int = 0


class Loader:
    """Reads a recording in the background.

    Parameters
    ----------
    path : Path
    config : Configuration, optional
    unsynchronised : bool
        See `rtemo.sources.open_recording`.
    budget_bytes : int
        Of memory for what is drawn.

    Attributes
    ----------
    done_s : float
        Seconds that were read so far.
    of_s : float or None
        How many there will be; None where that cannot be told.
    loaded : Loaded or None
        Once it is read.
    error : Exception or None
        Why it could not be read.
    """

    def __init__(
        self,
        path: Path,
        config: Configuration | None,
        *,
        unsynchronised: bool = False,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self.done_s = 0.0
        self.of_s: float | None = None
        self.loaded: Loaded | None = None
        self.error: Exception | None = None
        self._path, self._config = path, config
        self._unsynchronised, self._budget = unsynchronised, budget_bytes
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="reading", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def reading(self) -> bool:
        """Whether it is not done yet."""
        return self._thread.is_alive()

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop reading, and wait until it has."""
        self._cancelled.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            self.loaded = self._read()
        except _Cancelled:
            pass
        # Of a thread nobody else would hear: the window says it, or raises it again.
        except Exception as error:  # noqa: BLE001
            self.error = error

    def _read(self) -> Loaded:
        source = open_recording(self._path, unsynchronised=self._unsynchronised)
        try:
            gathered = envelopes(list(source.streams), self._budget)
            homes = {stream.key: stream.continues or stream.key for stream in source.streams}

            def take(item: Chunk | Marker) -> None:
                if self._cancelled.is_set():
                    raise _Cancelled
                envelope = gathered.get(homes[item.stream]) or gathered.get(item.stream)
                if isinstance(item, Chunk) and envelope is not None and len(item.stamps_s):
                    envelope.take(item)

            survey = survey_recording(source, self._config, on_item=take, on_progress=self._progress)
        finally:
            source.close()
        pyramids = {key: envelope.finish() for key, envelope in gathered.items()}
        left_out = sum(envelope.left_out for envelope in gathered.values())
        return Loaded(survey, {key: one for key, one in pyramids.items() if len(one)}, left_out)

    def _progress(self, done_s: float, of_s: float | None) -> None:
        self.done_s, self.of_s = max(self.done_s, done_s), of_s


class _Cancelled(Exception):  # noqa: N818 - nothing went wrong
    pass
