"""What a session says is hostile until it fits."""

from __future__ import annotations

import json
import math
from xml.sax.saxutils import escape

import pytest
from dashboard_words import layout, status, stream
from hypothesis import given
from hypothesis import strategies as st

from rtemo.dashboard.reading import RefusedError, read_event, read_layout, read_status


def xml(text):
    return f"<info><name>rtemo-status</name><desc><layout>{escape(text)}</layout></desc></info>".encode()


def test_what_a_session_says_is_read():
    assert read_layout(xml(layout().model_dump_json())) == layout()
    said = status(5.0, disk_left_s=math.inf)
    assert read_status(said.model_dump_json()).disk_left_s is None
    event = read_event('{"stamp": 5, "event": "view-missing", "view": "eeg", "score": null}')
    assert (event.stamp_s, event.kind, event.details) == (5.0, "view-missing", {"view": "eeg", "score": None})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "version 2"),
        ({"labels": ()}, "0 labels"),
        ({"labels": [str(k) for k in range(65)]}, "65 labels"),
        ({"labels": ("a", "a")}, "the same"),
        ({"views": ()}, "0 views"),
        ({"hop_s": 0.0}, "hop_s is 0"),
        ({"hop_s": -1.0}, "hop_s is -1"),
        ({"length_s": 1e9}, "length_s"),
        ({"lateness_s": -1.0}, "lateness_s"),
        ({"marker_duration_s": 0.0}, "marker_duration_s"),
    ],
)
def test_a_layout_that_cannot_be_shown_is_refused(changes, why):
    with pytest.raises(RefusedError, match=why):
        read_layout(xml(json.dumps(layout().model_dump() | changes)))


def test_a_view_with_more_channels_than_are_drawn_is_refused():
    said = layout().model_dump()
    said["views"][0]["channels"] = [f"E{number}" for number in range(1024)]
    assert len(read_layout(xml(json.dumps(said))).views[0].channels) == 1024
    said["views"][0]["channels"].append("one more")
    with pytest.raises(RefusedError, match="'eeg' has 1025 channels"):
        read_layout(xml(json.dumps(said)))


@pytest.mark.parametrize("edges", [[8.0, 4.0], [-1.0, 4.0], [4.0]])
def test_bands_that_are_none_are_refused(edges):
    said = layout().model_dump()
    said["views"][0]["bands"] = {"alpha": edges}
    with pytest.raises(RefusedError):
        read_layout(xml(json.dumps(said)))


@pytest.mark.parametrize(
    "description",
    [
        b"<info><desc/></info>",
        b"no xml",
        b"<info><desc><layout>{}</layout></desc></info>",
        b"<!DOCTYPE x><info></info>",
    ],
)
def test_a_description_without_a_layout_is_refused(description):
    with pytest.raises(RefusedError):
        read_layout(description)


GOOD = status(5.0, streams=(stream(),)).model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "x" * 600_000,
        "[" * 100_000,
        '{"now_s": ' * 90_000,
        GOOD.replace('"now_s":5.0', '"now_s":NaN'),
        GOOD.replace('"now_s":5.0', '"now_s":Infinity'),
        GOOD.replace('"now_s":5.0', '"now_s":1e999'),
        GOOD.replace('"now_s":5.0', '"now_s":"nan"'),
        GOOD.replace('"now_s":5.0', f'"now_s":{"9" * 5000}'),
        GOOD.replace('"predicted":10', '"predicted":-1'),
        GOOD.replace('"predicted":10', f'"predicted":1{"0" * 400}'),
        GOOD.replace('"state":"live"', '"state":"asleep"'),
        GOOD.replace('"name":"eeg"', f'"name":"{"x" * 501}"'),
        GOOD.replace(f"[{GOOD.split('[', 1)[1].split(']', 1)[0]}]", "[]").replace("[]", "[{}]", 1),
        json.dumps(json.loads(GOOD) | {"streams": [json.loads(GOOD)["streams"][0]] * 129}),
    ],
    ids=range(17),
)
def test_a_status_that_does_not_fit_is_refused(text):
    with pytest.raises(RefusedError) as refusal:
        read_status(text)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) <= 200


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"stamp": "5", "event": "x"}',
        '{"stamp": true, "event": "x"}',
        '{"stamp": NaN, "event": "x"}',
        '{"stamp": 1, "event": ""}',
        '{"stamp": 1, "event": 2}',
        '{"stamp": 1, "event": "' + "x" * 101 + '"}',
        '{"stamp": 1, "event": "x", "text": "' + "x" * 16_000 + '"}',
        "[1]",
    ],
)
def test_an_event_that_does_not_fit_is_refused(text):
    with pytest.raises(RefusedError):
        read_event(text)


@given(st.text(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_nothing_else_than_a_refusal_comes_of_any_text(text):
    for read in (read_status, read_event):
        with pytest.raises(RefusedError):
            read(text)


@given(st.binary(max_size=300))
def test_nothing_else_than_a_refusal_comes_of_any_description(description):
    with pytest.raises(RefusedError):
        read_layout(description)
