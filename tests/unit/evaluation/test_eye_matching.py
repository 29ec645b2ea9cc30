"""The matching behind the figures on eye events: one to one, within a tolerance or by overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from eye_matching import LABELS, Agreement, agreement, labels_at, overlap, pairs, within
from eye_recordings import MarkedEvent


def blink(start_s, stop_s, kind="blink"):
    return MarkedEvent(kind, "left", start_s, stop_s)


TRUE = [blink(1.0, 1.1), blink(2.0, 2.3), blink(5.0, 5.05)]


def moved(by_s, also_stop=True):
    return [blink(event.start_s + by_s, event.stop_s + by_s * also_stop) for event in TRUE]


@pytest.mark.parametrize("nearness", [overlap, within(0.05), within(0.05, onset_only=True)])
def test_the_same_events_agree_perfectly(nearness):
    found = agreement(TRUE, TRUE, nearness)
    assert found == Agreement(3, 3, 3)
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)


@pytest.mark.parametrize("by_s", [0.049, -0.049, 0.05, -0.05])
@pytest.mark.parametrize("also_stop", [True, False])
def test_events_within_the_tolerance_are_pairs(by_s, also_stop):
    assert agreement(moved(by_s, also_stop), TRUE, within(0.05)).pairs == 3


@pytest.mark.parametrize("by_s", [0.051, -0.051])
def test_events_beyond_the_tolerance_are_none(by_s):
    assert agreement(moved(by_s), TRUE, within(0.05)) == Agreement(3, 3, 0)
    assert agreement(moved(by_s, also_stop=False), TRUE, within(0.05, onset_only=True)).pairs == 0


def test_an_offset_beyond_the_tolerance_counts_unless_onsets_alone_are_asked_for():
    late = [blink(event.start_s, event.stop_s + 0.2) for event in TRUE]
    assert agreement(late, TRUE, within(0.05)).pairs == 0
    assert agreement(late, TRUE, within(0.05, onset_only=True)).pairs == 3


def test_an_event_has_one_partner_at_most():
    broken = [blink(2.0, 2.1), blink(2.11, 2.2), blink(2.21, 2.3)]
    found = agreement(broken, TRUE, overlap)
    assert found == Agreement(3, 3, 1)
    assert agreement([blink(0.9, 5.2)], TRUE, overlap) == Agreement(1, 3, 1)
    assert agreement([blink(1.0, 1.1)] * 2, TRUE, within(0.05)).pairs == 1


def test_the_better_partner_is_taken():
    near, far = blink(2.0, 2.28), blink(2.25, 2.4)
    assert pairs([far, near], TRUE, overlap) == [(near, TRUE[1])]


def test_no_pair_is_lost_to_a_nearer_one():
    # Taking the nearest first (1.04 with 1.05) leaves 1.00 without a partner.
    true = [blink(1.0, 1.1), blink(1.04, 1.14)]
    found = [blink(1.05, 1.15), blink(1.088, 1.188)]
    assert agreement(found, true, within(0.05)).pairs == 2


def test_events_that_only_touch_do_not_overlap():
    assert overlap(blink(1.0, 1.1), blink(1.1, 1.2)) == 0
    assert overlap(blink(1.0, 1.1), blink(1.05, 1.15)) == pytest.approx(1 / 3)


def test_nothing_to_find_has_no_recall():
    assert agreement([], TRUE, overlap) == Agreement(0, 3, 0)
    assert agreement([], TRUE, overlap).f1 == 0
    assert math.isnan(agreement([], TRUE, overlap).precision)
    assert math.isnan(agreement([], [], overlap).f1)
    assert agreement(TRUE, [], overlap).f1 == 0


def test_samples_are_labelled_from_start_up_to_but_not_with_the_stop():
    stamps_s = np.arange(10) / 10
    events = [blink(0.1, 0.3), blink(0.25, 0.7, "fixation"), blink(0.5, 0.6, "saccade")]
    names = {code: name for name, code in LABELS.items()}
    assert [names[code] for code in labels_at(stamps_s, events)] == [
        "other", "blink", "blink", "fixation", "fixation", "saccade", "fixation", "other", "other", "other",
    ]  # fmt: skip
