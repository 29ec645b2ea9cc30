"""The grammar of faults: what it reads, and what it says of what it cannot read."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.errors import ConfigurationError
from rtemo.sources.faults import KINDS, Fault, check_faults, of_device, parse_faults

DEVICES = ("eeg", "eye", "pps", "markers")


def parsed(text: str) -> Fault:
    (fault,) = parse_faults(text, DEVICES)
    return fault


def test_the_documented_line_means_what_it_says() -> None:
    text = (
        "eye:drop@30+5,eeg:freeze@60+3,eeg:gap@90+2,eye:jitter=5ms,pps:offset@120=-4000,"
        "eeg:rate@150=500,eeg:flat=Fp1@20+10,eye:burst@40"
    )
    found = [(f.device, f.kind, f.start_s, f.length_s, f.value, f.channel) for f in parse_faults(text, DEVICES)]
    assert found == [
        ("eye", "drop", 30, 5, 0, ""),
        ("eeg", "freeze", 60, 3, 0, ""),
        ("eeg", "gap", 90, 2, 0, ""),
        ("eye", "jitter", 0, math.inf, 0.005, ""),
        ("pps", "offset", 120, 0, -4000, ""),
        ("eeg", "rate", 150, 0, 500, ""),
        ("eeg", "flat", 20, 10, 0, "Fp1"),
        ("eye", "burst", 40, 1, 0, ""),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eye:jitter=5ms", 0.005),
        ("eye:jitter=0.005", 0.005),
        ("eye:jitter=0.005s", 0.005),
        ("eye:stamps@3=-250 ms", -0.25),
        ("eye:stamps=0.5@3", 0.5),
        ("eeg:drift=2000ppm", 0.002),
        ("eeg:drift=-50", -5e-5),
        ("eeg:rate@1=512Hz", 512.0),
        ("eeg:rate@1=5e2", 500.0),
    ],
)
def test_units_are_understood(text: str, value: float) -> None:
    assert parsed(text).value == pytest.approx(value, rel=1e-12)


def test_nothing_is_no_fault() -> None:
    assert parse_faults("") == ()
    assert parse_faults(" , ,") == ()


def test_each_device_has_its_own() -> None:
    faults = parse_faults("eye:drop@3,eeg:drop@4,eye:newid@5")
    assert [fault.kind for fault in of_device(faults, "eye")] == ["drop", "newid"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("eye", "expected DEVICE:KIND"),
        (":drop@3", "expected DEVICE:KIND"),
        ("eyes:drop@3", "Did you mean 'eye'?"),
        ("camera:drop@3", "Known here: eeg, eye, pps, markers."),
        ("eye:dropp@3", "Did you mean 'drop'?"),
        ("eye:drop", "must say when it starts"),
        ("eye:drop@soon", "expected a number for the start"),
        ("eye:drop@-3", "starts at '-3'"),
        ("eye:drop@3+0", "lasts '0'"),
        ("eye:drop@3+-1", "lasts '-1'"),
        ("eye:drop@3=4", "drop has no value"),
        ("eye:jitter", "jitter needs a value"),
        ("eye:jitter=", "jitter needs a value"),
        ("eye:jitter=5kg", "in s, ms, us"),
        ("eye:jitter=-5ms", "outside 0"),
        ("eye:jitter=1ms@3=2ms", "two values"),
        ("eeg:rate@3=0", "outside"),
        ("eeg:rate@3=nan", "expected a number"),
        ("eeg:rate@3=1e400", "outside"),
        ("eeg:offset@3+4=2", "the matter of a moment"),
        ("eeg:absent@3+4", "absent from the start on"),
        ("eeg:drop@3@4", "expected"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_cure(text: str, part: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_faults(f"eeg:newid@1,{text}", DEVICES)
    assert part in str(caught.value)
    assert text in str(caught.value)
    assert caught.value.cure
    assert caught.value.exit_code == 2


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert all(fault.device in DEVICES for fault in parse_faults(text, DEVICES))


@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1e5), st.floats(0.001, 1e5))
def test_what_is_written_out_is_read_again(kind: str, start_s: float, length_s: float) -> None:
    value = {"none": "", "time": "=0.25", "drift": "=10ppm", "rate": "=500", "channel": "=Fp1"}[KINDS[kind].value]
    start_s = 0.0 if kind == "absent" else start_s
    length = f"+{length_s:.4f}" if KINDS[kind].length_s is not None else ""
    fault = parsed(f"eeg:{kind}{value}@{start_s:.4f}{length}")
    assert parsed(str(fault)) == fault


def test_a_channel_that_a_device_lacks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'Fp1'"):
        check_faults(parse_faults("eeg:flat=FP1"), ("Fp1", "Fp2", "Cz"), is_text=False)


def test_texts_have_no_rate() -> None:
    with pytest.raises(ConfigurationError, match="stream of texts"):
        check_faults(parse_faults("markers:rate@3=5"), ("marker",), is_text=True)
    check_faults(parse_faults("markers:drop@3"), ("marker",), is_text=True)


def test_a_process_suffers_one_thing_at_a_time() -> None:
    with pytest.raises(ConfigurationError, match="starts while"):
        check_faults(parse_faults("eeg:freeze@3+3,eeg:kill@5"), (), is_text=False)
    check_faults(parse_faults("eeg:freeze@3+3,eeg:kill@7"), (), is_text=False)
