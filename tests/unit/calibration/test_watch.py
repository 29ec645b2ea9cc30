"""What an experimenter is told of the streams, and for which of them trials wait."""

from __future__ import annotations

import math

from calibration.recorded_run import RunStatus
from calibration.watch import Watch
from rtemo.config import parse_configuration
from rtemo.health import Health
from rtemo.live.gather import StreamStatus
from rtemo.outputs.events import Event
from rtemo.outputs.recording import RecorderStatus

CONFIG = parse_configuration(
    {
        "labels": ["a", "b"],
        "views": {
            "eeg": {"stream": {"type": "EEG"}, "features": "statistics", "required": True},
            "eye": {"stream": {"type": "Gaze"}, "features": "statistics"},
        },
    },
    "test",
)
RECORDER = RecorderStatus(
    streams=0,
    samples=0,
    bytes_written=0,
    backlog_s=0.0,
    refused=False,
    failed=None,
)


def stream(view: str, state: Health) -> StreamStatus:
    return StreamStatus(f"view:{view}", view, (view,), state, 0.1, math.nan, 250.0, 1, 0, 0)


def status(*streams: StreamStatus) -> RunStatus:
    return RunStatus(10.0, 5.0, streams, None, RECORDER)


def test_trials_wait_for_a_required_stream_that_is_lost_and_for_no_other():
    watch = Watch(CONFIG)
    fine = stream("eeg", Health.LIVE)
    assert watch.waits_for(status(fine, stream("eye", Health.LOST))) == []
    assert watch.waits_for(status(stream("eeg", Health.LOST), stream("eye", Health.LIVE))) == ["eeg"]
    assert watch.waits_for(status(stream("eeg", Health.STALE))) == []


def test_states_are_graded():
    watch = Watch(CONFIG)
    graded = {state: watch.notes(status(stream("eye", state)))[0].state for state in Health}
    assert graded == {
        Health.WAITING: "critical",
        Health.LIVE: "good",
        Health.STALE: "warning",
        Health.LOST: "critical",
    }


def test_markers_are_no_sensor():
    markers = StreamStatus("markers", "markers", (), Health.LOST, math.inf, math.nan, 0.0, 0, 0, 0)
    assert Watch(CONFIG).notes(status(markers)) == ()


def test_only_what_matters_is_said_and_the_latest_lines_stay():
    watch = Watch(CONFIG)
    events = [
        Event(1.0, "stream-opened", {"stream": "eeg"}),
        Event(2.0, "view-missing", {"view": "eye", "reason": "gap"}),
        Event(3.0, "disk-full", {}),
    ]
    assert watch.take(events) == ["eye is missing (gap)", "the disk is full: the recording waits in memory"]
    for number in range(9):
        watch.take([Event(4.0, "stream-state", {"stream": f"s{number}", "state": "lost"})])
    assert watch.lines == tuple(f"s{number} is lost" for number in range(4, 9))


def test_a_stream_is_back_only_if_it_was_away():
    watch = Watch(CONFIG)

    def turn(state: str) -> list[str]:
        return watch.take([Event(1.0, "stream-state", {"stream": "eeg", "state": state})])

    assert turn("live") == []
    assert turn("stale") == ["eeg gives no samples"]
    assert turn("lost") == ["eeg is lost"]
    assert turn("live") == ["eeg is back"]
    assert turn("live") == []
