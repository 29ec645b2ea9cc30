"""A GUI that stands still costs memory up to a bound: signals go first, what is told stays."""

from __future__ import annotations

import threading

import numpy as np
from dashboard_words import layout, status

from rtemo.dashboard.mailbox import KEPT, TOLD, Mailbox
from rtemo.dashboard.messages import (
    Attached,
    EventSeen,
    EventsSeen,
    PredictionsSeen,
    SamplesSeen,
    Sessions,
    StatusSeen,
    StreamGone,
)


def samples(number, rows=100):
    return SamplesSeen("eeg", np.full(rows, float(number)), np.zeros((rows, 62), np.float32))


def event(number):
    return EventsSeen((EventSeen(float(number), "late", {}),))


def test_messages_come_out_in_the_order_in_which_they_went_in():
    mailbox = Mailbox()
    posted = [Attached(layout()), samples(1), event(1), StatusSeen(status(1.0), 1.0), samples(2), StreamGone("eeg")]
    for message in posted:
        mailbox.put(message)
    assert mailbox.take() == posted
    assert mailbox.take() == []


def test_of_signals_the_oldest_are_dropped_and_counted_and_nothing_else_is():
    size = samples(0).values.nbytes + samples(0).stamps_s.nbytes
    mailbox = Mailbox(signal_bytes=10 * size)
    for number in range(500):
        mailbox.put(samples(number))
        mailbox.put(event(number))
        mailbox.put(PredictionsSeen(np.array([float(number)]), np.zeros((1, 15))))
    assert (mailbox.dropped_batches, mailbox.dropped_samples, mailbox.dropped_messages) == (490, 49_000, 0)
    taken = mailbox.take()
    assert [m.stamps_s[0] for m in taken if isinstance(m, SamplesSeen)] == list(range(490, 500))
    assert [m.events[0].stamp_s for m in taken if isinstance(m, EventsSeen)] == list(range(500))
    assert sum(isinstance(m, PredictionsSeen) for m in taken) == 500
    # The room is free again.
    for number in range(10):
        mailbox.put(samples(number))
    assert mailbox.dropped_batches == 490


def test_a_batch_beyond_all_bounds_is_still_the_newest():
    mailbox = Mailbox(signal_bytes=10)
    mailbox.put(samples(1))
    mailbox.put(samples(2))
    (left,) = mailbox.take()
    assert left.stamps_s[0] == 2


def test_only_the_newest_status_and_list_of_sessions_wait():
    mailbox = Mailbox()
    for number in range(100):
        mailbox.put(StatusSeen(status(float(number)), float(number)))
        mailbox.put(Sessions((str(number),)))
    assert [type(m) for m in mailbox.take()] == [StatusSeen, Sessions]


def test_what_is_told_has_a_bound_too():
    mailbox = Mailbox()
    for number in range(TOLD + 5):
        mailbox.put(event(number))
    for _ in range(KEPT + 3):
        mailbox.put(StreamGone("eeg"))
    assert mailbox.dropped_messages == 8
    taken = mailbox.take()
    assert len(taken) == TOLD + KEPT
    assert taken[0].events[0].stamp_s == 5.0


def test_nothing_is_lost_between_threads():
    mailbox = Mailbox()
    writers = [
        threading.Thread(target=lambda first=first: [mailbox.put(event(first + k)) for k in range(2000)])
        for first in (0, 2000, 4000)
    ]
    for writer in writers:
        writer.start()
    taken = []
    while any(writer.is_alive() for writer in writers):
        taken += mailbox.take()
    taken += mailbox.take()
    stamps = [message.events[0].stamp_s for message in taken]
    assert sorted(stamps) == list(range(6000))
    for first in (0, 2000, 4000):
        mine = [stamp for stamp in stamps if first <= stamp < first + 2000]
        assert mine == sorted(mine)
