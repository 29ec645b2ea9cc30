"""How a live session stands, put into words for whoever watches it from outside."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from rtemo.adaptation.account import AdaptationStatus
from rtemo.config import Configuration
from rtemo.features.entropy import DifferentialEntropy
from rtemo.features.registry import make_extractor
from rtemo.live.disk import DiskWatch
from rtemo.live.gather import StreamStatus
from rtemo.live.status import LiveStatus
from rtemo.live.wanted import MARKERS_KEY
from rtemo.telemetry import VERSION, AdaptationState, SessionLayout, SessionStatus, StreamState, ViewLayout, WindowState
from rtemo.types import FeatureWindow, Floats, StreamDescription

RATE_AFTER_S = 5.0
"""How fast a recording grows is not known before."""
MOST_SHOWN = 500
"""Names from the network are as long as their senders like; the words take no longer ones."""
UNTOLD = "status-untold"
"""Kind of the event that says that watchers are not told how the session stands."""
_log = logging.getLogger(__name__)


class StatusSink(Protocol):
    """Where the words go."""

    def write(self, status: SessionStatus) -> None:
        """Take a status."""
        ...


def session_layout(
    config: Configuration,
    keys: Mapping[str, str],
    bound: Mapping[str, StreamDescription | None],
    *,
    session: str,
    token: str,
) -> SessionLayout:
    """What holds for a whole session.

    Parameters
    ----------
    config : Configuration
    keys : mapping of str to str
        The key of each view's stream.
    bound : mapping of str to StreamDescription or None
        The stream of each view, with the channels that it reads.
    session : str
        Its name.
    token : str
        That a command must bear.
    """
    views = []
    for view, settings in config.views.items():
        stream = bound[view]
        extractor = make_extractor(settings.features, settings.settings, view=view)
        bands = extractor.bands if isinstance(extractor, DifferentialEntropy) else {}
        views.append(
            ViewLayout(
                name=view,
                stream=keys[view],
                features=_name(settings.features),
                channels=() if stream is None else tuple(map(_name, stream.channel_labels)),
                columns={_name(part): _name(channel) for part, channel in settings.columns.items()},
                bands={_name(band): edges for band, edges in bands.items()},
            )
        )
    markers = config.markers
    return SessionLayout(
        version=VERSION,
        session=session,
        token=token,
        hostname=_name(socket.gethostname()),
        labels=tuple(map(_name, config.labels)),
        length_s=config.window.length_s,
        hop_s=config.window.hop,
        views=tuple(views),
        markers="" if markers is None else MARKERS_KEY,
        marker_labels={} if markers is None else {_name(text): _name(to) for text, to in markers.labels.items()},
        marker_duration_s=None if markers is None else markers.duration_s,
        lateness_s=config.window.lateness_s,
    )


def _log_untold(error: str) -> None:
    _log.error("watchers are not told how the session stands: %s", error)


class Telemetry:
    """Tells how a session stands; from one thread.

    Whatever keeps it from telling ends no session: it is said once, and tried again with the next status.

    Parameters
    ----------
    sink : StatusSink
    folder : Path
        Of the session: its disk is watched.
    operators : callable
        Gives the machines whose commands are listened to.
    on_untold : callable
        Told, once, why a status could not be told; logs it where not given.
    operator_ids : callable
        Gives the source_id of each of their streams.
    """

    def __init__(
        self,
        sink: StatusSink,
        folder: Path,
        operators: Callable[[], tuple[str, ...]],
        on_untold: Callable[[str], None] = _log_untold,
        *,
        operator_ids: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._sink, self._on_untold = sink, on_untold
        self._operators, self._operator_ids = operators, operator_ids
        self._disk = DiskWatch(folder)
        self._untold = False

    def tell(self, status: LiveStatus, *, ending: bool = False) -> None:
        """Tell how it stands; `ending` in the very last time. Does not raise."""
        try:
            self._sink.write(self._words(status, ending))
        except Exception as error:  # noqa: BLE001 - it is told; a session does not need that it is watched
            if not self._untold:
                self._untold = True
                self._on_untold(_name(f"{type(error).__name__}: {error}"))

    def _words(self, status: LiveStatus, ending: bool) -> SessionStatus:
        # What is recorded holds a header at least.
        free = self._disk.free(status.now_s) if status.recorder.streams else None
        written = status.recorder.bytes_written
        return SessionStatus(
            now_s=status.now_s,
            elapsed_s=status.elapsed_s,
            streams=tuple(map(_stream, status.streams)),
            window=None if status.window is None else _window(status.window, status),
            predicted=status.predicted,
            skipped=status.skipped,
            age_p50_s=_known(status.age_p50_s),
            age_p99_s=_known(status.age_p99_s),
            backlog_s=_known(status.recorder.backlog_s) or 0.0,
            recorded_bytes=written,
            disk_free_bytes=free,
            disk_left_s=seconds_left(free, written, status.elapsed_s),
            adaptation=_adaptation(status.adaptation),
            operators=tuple(map(_name, self._operators())),
            operator_ids=tuple(map(_name, self._operator_ids())),
            ending=ending,
        )


def seconds_left(free: int | None, written: int, elapsed_s: float) -> float | None:
    """For how long a disk lasts that filled at the rate so far; None where that is not known yet."""
    if free is None or not written or elapsed_s < RATE_AFTER_S:
        return None
    return free * elapsed_s / written


def _stream(stream: StreamStatus) -> StreamState:
    return StreamState(
        key=_name(stream.key),
        name=_name(stream.name),
        views=stream.views,
        state=stream.state.value,
        age_s=_known(stream.age_s),
        rate_hz=_known(stream.rate_hz),
        # A rate that is no number is none.
        nominal_hz=_known(stream.nominal_hz) or 0.0,
        samples=stream.samples,
        late=stream.late,
        rejected=stream.rejected,
        stream_name=_name(stream.stream_name),
        type=_name(stream.type),
        source_id=_name(stream.source_id),
        hostname=_name(stream.hostname),
    )


def _window(window: FeatureWindow, status: LiveStatus) -> WindowState:
    """The newest window, and the newest prediction; its spread only if it is of this window, not of the one before."""
    said = status.prediction
    own = said is not None and said.index == window.index
    return WindowState(
        index=window.index,
        stop_s=window.stop_s,
        label="" if said is None else _name(said.label),
        spread=_known(said.spread) if said is not None and own else None,
        missing={view: _name(reason) for view, reason in window.reason.items()},
        bad={view: {_name(channel): _name(why) for channel, why in bad.items()} for view, bad in window.bad.items()},
        quality={view: _mean(scores) for view, scores in window.quality.items()},
    )


def _adaptation(status: AdaptationStatus) -> AdaptationState:
    return AdaptationState.model_validate(
        {
            "mode": status.mode,
            "reason": _name(status.reason),
            "paused": status.paused,
            "frozen": status.frozen,
            "learnt": status.learnt,
            "refused": status.refused,
            "updates": status.updates,
            "rollbacks": status.rollbacks,
            "resets": status.resets,
            "drift": _known(status.drift),
            "last_reason": _name(status.last_reason),
            "differ": status.differ,
            "compared": status.compared,
        }
    )


def _name(text: str) -> str:
    """Text that the words take."""
    return text[:MOST_SHOWN]


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _mean(scores: Floats) -> float | None:
    judged = scores[np.isfinite(scores)]
    return float(judged.mean()) if len(judged) else None
