"""What a session publishes on LSL: predictions, events, how good the signals are, and how it stands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pylsl
from pydantic import BaseModel

from rtemo.outputs.events import Event
from rtemo.outputs.quality import quality_channels, quality_scores
from rtemo.telemetry import SessionLayout, SessionStatus
from rtemo.types import (
    EVENT_STREAM,
    PREDICTION_STREAM,
    QUALITY_STREAM,
    STATUS_STREAM,
    FeatureWindow,
    Floats,
    Prediction,
)

MANUFACTURER = "rtemo"
LINGER_S = 0.2


def _outlet(
    name: str, kind: str, channels: Sequence[str], number_format: int, session: str, **more: str
) -> pylsl.StreamOutlet:
    """An outlet of irregular rate, whose source_id the session makes unique; it says `more` of itself."""
    info = pylsl.StreamInfo(name, kind, len(channels), pylsl.IRREGULAR_RATE, number_format, f"{name}-{session}")
    info.set_channel_labels(list(channels))
    info.desc().append_child_value("manufacturer", MANUFACTURER)
    for child, text in {"session": session, **more}.items():
        info.desc().append_child_value(child, text)
    return pylsl.StreamOutlet(info)


def _xml(outlet: pylsl.StreamOutlet) -> bytes:
    """The stream's description."""
    xml: str = outlet.get_info().as_xml()
    return xml.encode("utf-8")


def prediction_channels(labels: Sequence[str], views: Sequence[str]) -> list[str]:
    """Labels of the prediction stream's channels, in order."""
    return [
        *(f"p:{label}" for label in labels),
        *(f"shadow:{label}" for label in labels),
        *(f"{what}:{view}" for what in ("weight", "contribution", "available", "coverage") for view in views),
        "age_s",
    ]


def prediction_sample(prediction: Prediction) -> Floats:
    """A prediction as the values of these channels."""
    p = prediction
    return np.concatenate(
        [
            p.probabilities,
            p.shadow,
            p.posterior_weights,
            p.contributions,
            p.available.astype(np.float64),
            p.coverage,
            [p.age_s],
        ]
    )


class PredictionOutlet:
    """Outlet ``rtemo-prediction`` of type ``Prediction``: one sample a window, stamped with the window's end.

    Probabilities are NaN for a window that the model had no time for.

    Parameters
    ----------
    labels, views : sequence of str
        In the order of the prediction's arrays.
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    xml : bytes
        The stream's description.
    """

    def __init__(self, labels: Sequence[str], views: Sequence[str], *, session: str) -> None:
        channels = prediction_channels(labels, views)
        self._outlet = _outlet(PREDICTION_STREAM, "Prediction", channels, pylsl.cf_double64, session)
        self.xml = _xml(self._outlet)

    def write(self, prediction: Prediction) -> None:
        """Publish a prediction; from one thread at a time."""
        self._outlet.push_sample(prediction_sample(prediction), prediction.stop_s)

    def close(self) -> None:
        """Take the outlet off the network."""
        del self._outlet


class QualityOutlet:
    """Outlet ``rtemo-quality`` of type ``Quality``: the scores of each window, stamped with the window's end.

    Parameters
    ----------
    names : mapping of str to sequence of str
        By view that is watched, what its scores are of.
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    xml : bytes
        The stream's description.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], *, session: str) -> None:
        self._views = tuple(names)
        self._outlet = _outlet(QUALITY_STREAM, "Quality", quality_channels(names), pylsl.cf_double64, session)
        self.xml = _xml(self._outlet)

    def write(self, window: FeatureWindow) -> None:
        """Publish the scores of a window; from one thread at a time."""
        self._outlet.push_sample(quality_scores(window, self._views), window.stop_s)

    def close(self) -> None:
        """Take the outlet off the network."""
        del self._outlet


class EventOutlet:
    """Outlet ``rtemo-events`` of type ``Markers``: each event as one JSON string, as in ``events.jsonl``.

    Parameters
    ----------
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    xml : bytes
        The stream's description.
    """

    def __init__(self, *, session: str) -> None:
        # liblsl makes an outlet's samples in a factory of its own, which bears one thread at a time.
        self._lock = threading.Lock()
        self._outlet = _outlet(EVENT_STREAM, "Markers", ["event"], pylsl.cf_string, session)
        self.xml = _xml(self._outlet)

    def write(self, event: Event) -> None:
        """Publish an event; from any thread."""
        with self._lock:
            self._outlet.push_sample([event.as_json()], event.stamp_s)

    def close(self) -> None:
        """Take the outlet off the network."""
        with self._lock:
            del self._outlet


class StatusOutlet:
    """Outlet ``rtemo-status`` of type ``Status``: how the session stands, as one JSON string.

    Its description says what holds for the whole session: ``<session>``, and ``<layout>`` in JSON.

    Parameters
    ----------
    layout : SessionLayout
    """

    def __init__(self, layout: SessionLayout) -> None:
        said = _as_json(layout)
        self._outlet = _outlet(STATUS_STREAM, "Status", ["status"], pylsl.cf_string, layout.session, layout=said)

    def write(self, status: SessionStatus) -> None:
        """Publish how it stands; from one thread at a time."""
        self._outlet.push_sample([_as_json(status)], status.now_s)

    def close(self) -> None:
        """Take the outlet off the network, once its last words are likely to have left."""
        if self._outlet.have_consumers():
            # liblsl sends in a thread of its own, drops with an outlet what was not sent, and does not say.
            time.sleep(LINGER_S)
        del self._outlet


def _as_json(words: BaseModel) -> str:
    """ASCII, so that it passes through every program's idea of text."""
    return json.dumps(words.model_dump(mode="json"), allow_nan=False, separators=(",", ":"))
