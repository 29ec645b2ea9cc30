"""From what comes over LSL to messages, without LSL: one clock, in order, and what is not understood said once."""

from __future__ import annotations

from dataclasses import replace
from xml.sax.saxutils import escape

import numpy as np
import pytest
from dashboard_words import LABELS, VIEWS, layout, status, values

from rtemo.clock import Measurement, VirtualClock
from rtemo.dashboard.devices import UNMEASURED_S, WAITING_BATCHES, DeviceIntake
from rtemo.dashboard.intake import EVENTS, PREDICTION, QUALITY, STATUS, Gate, SessionIntake
from rtemo.dashboard.messages import (
    REFUSED,
    Attached,
    Detached,
    EventsSeen,
    MarkersSeen,
    PredictionsSeen,
    QualitySeen,
    SamplesSeen,
    StatusSeen,
    StreamGone,
    StreamOpened,
)
from rtemo.dashboard.refusals import MAX_REFUSALS, Refusals
from rtemo.dashboard.session_clock import SessionClock
from rtemo.outputs.lsl import prediction_channels
from rtemo.sources.lsl.inlet import Pulled
from rtemo.xdf import StreamHeader

HERE, THERE = "this-machine", "another"
NAMES = prediction_channels(LABELS, VIEWS)


def header(name="x", labels=("a",), rate_hz=0.0, channel_format="double64", kind="EEG", hostname=THERE, channels=None):
    count = len(labels) if channels is None else channels
    return StreamHeader(1, name, kind, count, rate_hz, channel_format, hostname=hostname, labels=tuple(labels))


def texts(*rows):
    return Pulled(np.arange(float(len(rows))), None, [(row,) for row in rows])


class Bench:
    """An intake of a session, and one of a device, in virtual time."""

    def __init__(self, *, is_markers=False):
        self.posted = []
        self.clock = VirtualClock(50.0)
        self.session_clock = SessionClock(self.clock)
        self.refusals = Refusals(self.posted.append, self.session_clock.now_s)
        self.session = SessionIntake(
            self.posted.append, clock=self.clock, session_clock=self.session_clock, refusals=self.refusals
        )
        self.device = DeviceIntake(
            self.posted.append,
            is_markers=is_markers,
            clock=self.clock,
            session_clock=self.session_clock,
            refusals=self.refusals,
            hostname=HERE,
        )

    def attach(self, **changes):
        text = escape(layout(**changes).model_dump_json())
        xml = f"<info><desc><layout>{text}</layout></desc></info>".encode()
        self.session.opened(STATUS, header("rtemo-status", ("status",), channel_format="string"), xml)
        return self

    def of(self, kind):
        return [message for message in self.posted if isinstance(message, kind)]

    def refused(self):
        return [e.details["reason"] for m in self.of(EventsSeen) for e in m.events if e.kind == REFUSED]


def test_a_session_is_attached_before_its_first_status_and_detached_when_it_is_gone():
    bench = Bench().attach()
    bench.session.texts(STATUS, texts(status(1.0).model_dump_json()))
    bench.session.closed(STATUS, "connection lost")
    assert [type(message) for message in bench.posted] == [Attached, StatusSeen, Detached]
    assert bench.posted[0].layout == layout()
    assert bench.posted[2].reason == bench.session.gone == "connection lost"
    bench.attach()
    assert bench.session.gone == ""


def test_the_moment_of_leaving_is_known_as_soon_as_the_session_is_gone():
    bench = Bench().attach()
    seen = []

    def look(message):
        if isinstance(message, Detached):
            seen.append((bench.session.left_s, bench.session.gone))

    bench.session._post = look
    bench.clock.advance(7.0)
    bench.session.closed(STATUS, "connection lost")
    assert seen == [(57.0, "connection lost")]
    bench.session.closed(EVENTS, "connection lost")
    assert bench.session.left_s == 57.0


def test_a_session_is_said_to_be_there_before_anyone_sees_it():
    bench = Bench()
    seen = []
    bench.session._post = lambda message: seen.append(bench.session.layout)
    bench.attach()
    assert seen == [None]
    assert bench.session.layout == layout()


def test_what_another_session_of_the_same_name_said_is_not_this_one_s():
    bench = Bench().attach()
    bench.session.texts(STATUS, texts(status(1.0, ending=True).model_dump_json()))
    bench.attach()
    assert bench.session.status.ending
    bench.attach(token="t2")
    assert bench.session.status is None


def test_of_statuses_that_have_piled_up_only_the_newest_is_read():
    bench = Bench().attach()
    piled = [status(float(number)).model_dump_json() for number in range(200)]
    bench.session.texts(STATUS, texts(*piled, "rubbish"))
    assert [seen.status.now_s for seen in bench.of(StatusSeen)] == [199.0]
    assert len(bench.refused()) == 1


def test_a_layout_that_cannot_be_shown_attaches_nothing():
    bench = Bench().attach(version=99)
    assert bench.of(Attached) == []
    assert "version 99" in bench.session.refused
    assert "version 99" in bench.refused()[0]


def test_a_status_lies_where_it_came_until_the_session_s_clock_is_known():
    bench = Bench().attach()
    bench.clock.advance(0.3)
    bench.session.texts(STATUS, texts(status(1000.0).model_dump_json()))
    bench.session.measured(STATUS, Measurement(1000.0, -950.2))
    bench.session.texts(STATUS, texts(status(1000.25).model_dump_json()))
    first, second = bench.of(StatusSeen)
    assert first.at_s == 50.3
    assert second.at_s == pytest.approx(50.05)
    assert bench.session_clock.now_s() == pytest.approx(1000.5)


def test_the_clock_of_another_stream_is_not_the_session_s():
    bench = Bench().attach()
    bench.session.measured(EVENTS, Measurement(0.0, 7.0))
    assert not bench.session_clock.known
    assert bench.session_clock.ahead_s(50.0) == 0.0


def test_predictions_come_in_the_order_of_the_layout_whatever_the_stream_s():
    bench = Bench().attach()
    order = np.random.default_rng(0).permutation(len(NAMES))
    shuffled = [NAMES[k] for k in order] + ["more"]
    bench.session.opened(PREDICTION, header(labels=shuffled), b"")
    sent = np.append(values()[0][order], 99.0)
    bench.session.samples(PREDICTION, np.array([7.0]), sent[None])
    (seen,) = bench.of(PredictionsSeen)
    np.testing.assert_array_equal(seen.values, values())
    assert seen.stamps_s.tolist() == [7.0]


def test_predictions_of_other_labels_are_refused_once():
    bench = Bench().attach()
    for _ in range(3):
        bench.session.opened(PREDICTION, header(labels=NAMES[:-1]), b"")
        bench.session.samples(PREDICTION, np.array([7.0]), np.zeros((1, 14)))
    assert bench.of(PredictionsSeen) == []
    assert bench.refused() == ["it has no channel 'age_s'"]


def test_a_channel_that_is_named_and_not_there_is_no_channel():
    bench = Bench().attach()
    bench.session.opened(PREDICTION, header(labels=NAMES, channels=3), b"")
    bench.session.samples(PREDICTION, np.array([7.0]), np.zeros((1, 3)))
    assert bench.of(PredictionsSeen) == []
    assert len(bench.refused()) == 1


def test_events_and_scores_are_passed_on():
    bench = Bench().attach()
    bench.session.opened(QUALITY, header(labels=("eeg:Fp1", "eeg:Fp2")), b"")
    bench.session.samples(QUALITY, np.array([7.0]), np.array([[0.5, 1.0]]))
    bench.session.texts(EVENTS, texts('{"stamp": 3, "event": "late"}', "rubbish", '{"stamp": 4, "event": "late"}'))
    (scores,) = bench.of(QualitySeen)
    assert (scores.names, scores.values.tolist()) == (("eeg:Fp1", "eeg:Fp2"), [[0.5, 1.0]])
    assert [e.stamp_s for m in bench.of(EventsSeen) for e in m.events if e.kind == "late"] == [3.0, 4.0]


def test_what_is_not_understood_is_said_once_for_each_stream():
    bench = Bench().attach()
    for _ in range(100):
        bench.session.texts(STATUS, texts("rubbish", "{}"))
        bench.session.texts(EVENTS, texts("rubbish\x1b[31m"))
        bench.session.noticed(STATUS, "stream-ambiguous", {"found": "two\n"})
    assert len(bench.refused()) == 3
    assert all(reason.isprintable() for reason in bench.refused())
    assert bench.of(StatusSeen) == []


def test_refusals_have_an_end():
    bench = Bench()
    for number in range(2 * MAX_REFUSALS):
        bench.refusals.say(str(number), "x")
    assert len(bench.posted) == MAX_REFUSALS


def chunk(first, count=10, rate_hz=100.0):
    return first + np.arange(count) / rate_hz, np.arange(2.0 * count).reshape(count, 2)


def test_signals_wait_for_their_clock_and_lie_on_the_session_s():
    bench = Bench().attach()
    bench.session.measured(STATUS, Measurement(1000.0, -950.0))
    device = bench.device
    device.opened("view:eeg", header(labels=("Fp1", "Fp2"), rate_hz=100.0), b"")
    assert device.regular
    device.samples("view:eeg", *chunk(7.0))
    assert bench.of(SamplesSeen) == []
    # The device's clock is 43 s behind ours, and ours 950 s behind the session's.
    device.measured("view:eeg", Measurement(7.1, 43.0))
    device.samples("view:eeg", *chunk(7.1))
    (opened,) = bench.of(StreamOpened)
    assert (opened.key, opened.labels, opened.units, opened.rate_hz) == (
        "view:eeg",
        ("Fp1", "Fp2"),
        ("uV", "uV"),
        100.0,
    )
    stamps_s = np.concatenate([seen.stamps_s for seen in bench.of(SamplesSeen)])
    np.testing.assert_allclose(stamps_s, 1000.0 + np.arange(20) / 100, atol=1e-6)
    assert np.concatenate([seen.values for seen in bench.of(SamplesSeen)]).shape == (20, 2)


def test_a_device_of_this_machine_needs_no_measurement_and_one_of_another_is_not_shown_without():
    for hostname, shown in ((HERE, True), (THERE, False)):
        bench = Bench().attach()
        bench.device.opened("view:eeg", header(labels=("a", "b"), rate_hz=100.0, hostname=hostname), b"")
        for number in range(40):
            bench.device.samples("view:eeg", *chunk(50.0 + number / 10))
            bench.clock.advance(0.1)
        assert bool(bench.of(SamplesSeen)) == shown
        assert len(bench.refused()) == (not shown)
        if shown:
            assert sum(len(seen.stamps_s) for seen in bench.of(SamplesSeen)) == 400
    assert UNMEASURED_S < 4.0


def test_what_waits_for_a_clock_has_a_bound():
    bench = Bench().attach()
    bench.device.opened("view:eeg", header(labels=("a", "b"), rate_hz=100.0), b"")
    for number in range(3 * WAITING_BATCHES):
        bench.device.samples("view:eeg", *chunk(number / 10))
    bench.device.measured("view:eeg", Measurement(76.8, 0.0))
    assert sum(len(seen.stamps_s) for seen in bench.of(SamplesSeen)) == 10 * WAITING_BATCHES


def test_a_stream_that_ends_is_gone_and_one_that_returns_is_opened_again():
    bench = Bench().attach()
    for _ in range(2):
        bench.device.opened("view:eeg", header(labels=("a",), rate_hz=100.0), b"")
        assert bench.device.heard_s == bench.clock.now_s()
        bench.device.closed("view:eeg", "lost")
        assert bench.device.heard_s is None
    assert [type(message) for message in bench.posted[1:]] == [StreamOpened, StreamGone] * 2


def test_samples_that_wait_for_a_measurement_ask_for_one():
    bench = Bench().attach()
    asked = []
    bench.device.measure_soon = lambda: asked.append(1)
    bench.device.opened("view:eeg", header(labels=("a", "b"), rate_hz=100.0), b"")
    bench.device.measured("view:eeg", Measurement(7.0, 43.0))
    bench.device.samples("view:eeg", *chunk(7.0, 200))
    assert not asked
    bench.device.samples("view:eeg", *chunk(500.0, 200))
    assert asked


def test_markers_are_texts_or_numbers():
    bench = Bench(is_markers=True).attach()
    bench.device.opened("markers", header(channel_format="string", kind="Markers"), b"")
    bench.device.measured("markers", Measurement(1.0, 0.0))
    bench.device.texts("markers", texts("clip/neutral", "x" * 9999))
    bench.device.closed("markers", "lost")
    bench.device.opened("markers", header(labels=("code",), channel_format="int32", kind="Markers"), b"")
    bench.device.measured("markers", Measurement(3.0, 0.0))
    bench.device.samples("markers", np.array([3.0, 4.0]), np.array([[7], [8]], np.int32))
    found = [text for seen in bench.of(MarkersSeen) for text in seen.texts]
    assert [text[:12] for text in found] == ["clip/neutral", "x" * 12, "7", "8"]
    assert len(found[1]) == 501
    assert bench.of(StreamOpened) == []


@pytest.mark.parametrize(
    "said", [header(labels=("a",), channels=1025, rate_hz=10.0), header(channel_format="string")], ids=["wide", "text"]
)
def test_a_stream_that_is_no_signal_is_not_shown(said):
    bench = Bench().attach()
    bench.device.opened("view:eeg", said, b"")
    bench.device.measured("view:eeg", Measurement(1.0, 0.0))
    bench.device.texts("view:eeg", texts("x"))
    bench.device.samples("view:eeg", np.array([1.0]), np.zeros((1, said.channel_count)))
    assert [type(message) for message in bench.posted] == [Attached, EventsSeen]


def test_another_session_s_stream_in_the_place_of_one_that_ended_is_let_through_by_nothing():
    bench = Bench().attach()
    gate = Gate("a", bench.session)
    mine, other = (
        replace(header("rtemo-events", channel_format="string"), source_id=f"rtemo-events-{name}") for name in "ab"
    )
    event = texts('{"stamp": 3, "event": "late"}')
    gate.opened(EVENTS, other, b"")
    assert gate.foreign == {EVENTS}
    gate.texts(EVENTS, event)
    gate.samples(EVENTS, np.zeros(1), np.zeros((1, 1)))
    gate.measured(EVENTS, Measurement(1.0, 0.0))
    gate.noticed(EVENTS, "stream-refused", {})
    gate.closed(EVENTS, "lost")
    assert bench.of(EventsSeen) == []
    again = Gate("a", bench.session)
    again.opened(EVENTS, mine, b"")
    again.texts(EVENTS, event)
    assert len(bench.of(EventsSeen)) == 1
    again.shut()
    again.texts(EVENTS, event)
    assert len(bench.of(EventsSeen)) == 1
