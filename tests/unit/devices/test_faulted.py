"""What a device sends with its faults, judged by sample number, without a network."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from rtemo.clock import VirtualClock
from rtemo.config import NetworkSettings, parse_configuration
from rtemo.devices.choice import check_devices, identities, marker_texts
from rtemo.devices.process import Specification, read_specification
from rtemo.devices.simulated import device_actions, outlet_of, pieces
from rtemo.devices.supervisor import SimulationPlan, specifications
from rtemo.errors import ConfigurationError
from rtemo.liblsl import configuration_text
from rtemo.outputs.publish import Action, Appear, Note, Send, Vanish, publish
from rtemo.sources.faults import parse_faults
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings


def actions_of(
    device: str, fault: str, until_s: float = 4.0, since_s: float = 0.0, shift_s: float = 0.0
) -> list[Action]:
    laboratory = Laboratory(LaboratorySettings(numbered=True, trial_s=1.0, rest_s=0.5))
    outlet, faults = outlet_of(laboratory, device), parse_faults(fault)
    return list(device_actions(laboratory, outlet, faults, since_s=since_s, until_s=4.0, shift_s=shift_s))


def sent(actions: list[Action]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, stamps, and moments of sending, one a sample."""
    sends = [action for action in actions if isinstance(action, Send)]
    numbers = np.concatenate([np.asarray(action.values)[:, 0] for action in sends]).astype(int)
    stamps = np.concatenate([action.stamps_s for action in sends])
    return numbers, stamps, np.concatenate([np.full(len(a.stamps_s), a.at_s) for a in sends])


def test_without_faults_all_is_sent_once_the_chunk_is_full() -> None:
    actions = actions_of("eeg", "")
    numbers, stamps, at = sent(actions)
    assert np.array_equal(numbers, np.arange(4000))
    assert np.allclose(stamps, numbers / 1000, rtol=0, atol=1e-9)
    assert at.tolist() == pytest.approx((np.arange(4000) // 20 * 20 + 19) / 1000)
    assert isinstance(actions[0], Appear)


@pytest.mark.parametrize(
    "fault",
    [
        "eye:drop@1+1",
        "eye:gap@1+1",
        "eye:burst@1+1",
        "eye:jitter=50ms",
        "eye:newid@1,eye:twin@2,eye:rate@3=60",
        "eye:absent@0+1,eye:burst@0.5+1",
    ],
)
def test_actions_come_in_the_order_of_time(fault: str) -> None:
    moments = [action.at_s for action in actions_of("eye", fault)]
    assert moments == sorted(moments)


@pytest.mark.parametrize("kind", ["drop", "gap"])
def test_what_is_lost_is_lost_to_the_sample(kind: str) -> None:
    actions = actions_of("eeg", f"eeg:{kind}@1.005+0.5")
    numbers, stamps, _ = sent(actions)
    assert np.array_equal(numbers, np.r_[0:1005, 1505:4000])
    assert np.allclose(stamps, numbers / 1000, rtol=0, atol=1e-9)
    outlets = [(type(a), a.at_s) for a in actions if isinstance(a, (Appear, Vanish))]
    expected = [(Appear, 0.0), (Vanish, 1.005), (Appear, 1.505)]
    assert outlets == (expected if kind == "drop" else expected[:1])


def test_a_burst_loses_nothing_and_keeps_its_stamps() -> None:
    numbers, stamps, at = sent(actions_of("eye", "eye:burst@1+1"))
    assert np.array_equal(numbers, np.arange(480))
    assert np.allclose(stamps, numbers / 120, rtol=0, atol=1e-9)
    assert (at[120:240] == 2.0).all()
    assert np.allclose(at[:120], stamps[:120])


def test_jitter_has_its_deviation_and_is_the_same_again_also_after_a_restart() -> None:
    numbers, stamps, _ = sent(actions_of("eeg", "eeg:jitter=5ms"))
    noise = stamps - numbers / 1000
    assert noise.std() == pytest.approx(0.005, rel=0.05)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05
    again, later, _ = sent(actions_of("eeg", "eeg:jitter=5ms", since_s=2.0))
    assert np.array_equal(again, np.arange(2000, 4000))
    assert np.array_equal(later, stamps[2000:])


def test_stamps_jump() -> None:
    numbers, stamps, at = sent(actions_of("eye", "eye:stamps@1+1=-0.75"))
    wrong = stamps - numbers / 120
    assert np.allclose(wrong[120:240], -0.75)
    assert np.allclose(wrong[:120], 0)
    assert np.allclose(wrong[240:], 0)
    assert np.allclose(at, numbers / 120)
    _, shifted, _ = sent(actions_of("eye", "", shift_s=-3.0))
    assert np.allclose(shifted, numbers / 120 - 3)


def test_a_new_rate_goes_on_counting() -> None:
    actions = actions_of("eeg", "eeg:rate@2=500")
    numbers, stamps, _ = sent(actions)
    assert np.array_equal(numbers, np.arange(3000))
    assert np.allclose(np.diff(stamps)[2000:], 0.002)
    assert stamps[2000] == pytest.approx(2.0)
    rates = [action.outlet.stream.nominal_rate_hz for action in actions if isinstance(action, Appear)]
    assert rates == [1000.0, 500.0]


def test_a_crystal_that_is_off_gives_more_samples() -> None:
    numbers, stamps, _ = sent(actions_of("eeg", "eeg:drift=2000ppm"))
    assert len(numbers) == 4008
    assert np.allclose(stamps, numbers / 1002, rtol=0, atol=1e-9)
    first, second, third = pieces(1000.0, parse_faults("eeg:drift=2000ppm@1+2"))
    assert (first.first, second.first, third.first) == (0, 1000, 3004)
    assert third.first_s == pytest.approx(3.0, abs=0.001)
    assert (first.effective_hz, second.effective_hz, third.effective_hz) == pytest.approx((1000, 1002, 1000))


def test_channels_are_spoilt_one_by_one() -> None:
    plain = actions_of("eeg", "")
    spoilt = actions_of("eeg", "eeg:flat=Cz@1+1,eeg:noise=Fp2@2+1,eeg:nan=Oz@3")
    labels = Laboratory().describe("eeg").stream.channel_labels
    before, after = (
        np.concatenate([np.asarray(action.values) for action in actions if isinstance(action, Send)])
        for actions in (plain, spoilt)
    )
    changed = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    for label, first, last in (("Cz", 1000, 2000), ("Fp2", 2000, 3000), ("Oz", 3000, 4000)):
        column = changed[:, labels.index(label)]
        assert column[first:last].all()
        assert not column[:first].any()
        assert not column[last:].any()
    assert changed.sum() == 3000
    assert (after[1000:2000, labels.index("Cz")] == 0).all()
    assert np.isnan(after[3000:, labels.index("Oz")]).all()
    assert after[2000:3000, labels.index("Fp2")].std() > 5 * before[2000:3000, labels.index("Fp2")].std()


def test_a_new_id_and_a_twin() -> None:
    actions = actions_of("markers", "markers:newid@1,markers:twin@2+1")
    outlets = [
        (a.at_s, a.twin, a.outlet.stream.source_id if isinstance(a, Appear) else None)
        for a in actions
        if isinstance(a, (Appear, Vanish))
    ]
    old = "rtemo-simulated-markers-0"
    assert outlets == [
        (0.0, False, old),
        (1.0, False, None),
        (1.0, False, old + "-new"),
        (2.0, True, old + "-new"),
        (3.0, True, None),
    ]


def test_absent_at_first() -> None:
    actions = actions_of("eye", "eye:absent@0+1")
    assert [a.at_s for a in actions if isinstance(a, Appear)] == [1.0]
    assert sent(actions)[0].min() == 120


def test_what_happens_is_noted() -> None:
    notes = [(a.at_s, a.text) for a in actions_of("eye", "eye:gap@1+0.5,eye:drop@2+1") if isinstance(a, Note)]
    assert notes == [
        (1.0, "eye:gap@1+0.5: starts"),
        (1.5, "eye:gap@1+0.5: is over"),
        (2.0, "eye:drop@2+1: the outlet is gone"),
        (3.0, "eye:drop@2+1: the outlet is there"),
    ]


def test_reboots_and_kills_need_processes() -> None:
    plan = SimulationPlan(
        faults=parse_faults("pps:offset@2=-4000,pps:kill@5+1,pps:offset@8=10,eye:kill@3"), duration_s=9
    )
    pps = specifications(plan, "pps")
    assert [(one.since_s, one.until_s) for one in pps] == [(0, 2), (2, np.inf), (6, 8), (8, 9)]
    clocks = np.array([one.clock_offset_s for one in pps])
    assert np.allclose(clocks - clocks[0], [0, -4000, -4000, -3990])
    assert clocks.min() > 0
    assert [one.shift_s for one in pps] == [0, -4000, -4000, -3990]
    assert len(specifications(plan, "eye")) == 1
    one_clock = specifications(SimulationPlan(own_clocks=False), "eeg")
    assert [one.clock_offset_s for one in one_clock] == [0.0]


def test_a_specification_survives_its_command_line() -> None:
    told = Specification(
        "eye",
        LaboratorySettings(labels=("a", "b"), texts={"a": "film"}),
        configuration_text(NetworkSettings(scope="machine")),
        parse_faults("eye:jitter=5ms,eye:drop@3"),
        {"name": "Tobii"},
        clock_offset_s=3.5,
        shown=((1.5, 2), (3.0, -1)),
    )
    assert read_specification(json.loads(told.written())) == told


def test_a_schedule_is_kept_without_adding_up_delays() -> None:
    clock, done, waits = VirtualClock(100.0), [], []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock.advance(seconds + 0.003)  # every wait is late
        return False

    notes = [Note(k * 0.1, str(k)) for k in range(50)]
    assert publish(
        notes, origin_s=101.0, clock=clock, wait=wait, on_action=lambda action: done.append(clock.now_s() - 101.0)
    )
    late = np.array(done) - np.arange(50) * 0.1
    assert late.min() >= 0
    assert late.max() < 0.004


def test_publishing_stops_when_told() -> None:
    clock, done = VirtualClock(), []

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        return clock.now_s() > 3

    endless = (Note(float(k), "") for k in itertools.count())
    assert not publish(endless, origin_s=0.0, clock=clock, wait=wait, on_action=done.append)
    assert len(done) == 4


def test_outlets_are_called_as_a_configuration_asks() -> None:
    config = parse_configuration(
        {
            "labels": ["calm", "tense"],
            "views": {
                "brain": {"stream": {"type": "EEG", "source_id": "actiCHamp-1"}, "features": "differential-entropy"},
                "pps": {"stream": {"name": "Biopac"}, "features": "statistics"},
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {"film/1": "calm", "film/2": "tense"}},
        },
        where="test",
    )
    assert identities(config) == {
        "eeg": {"type": "EEG", "source_id": "actiCHamp-1"},
        "pps": {"name": "Biopac"},
        "markers": {"type": "Markers"},
    }
    assert marker_texts(config) == {"calm": "film/1", "tense": "film/2"}
    assert outlet_of(Laboratory(), "pps", identities(config)["pps"]).stream.name == "Biopac"


def test_devices_are_named_once() -> None:
    assert check_devices(["eye", " eeg", "eye", ""]) == ("eye", "eeg")
    with pytest.raises(ConfigurationError, match="Did you mean 'eeg'"):
        check_devices(["egg"])
    with pytest.raises(ConfigurationError, match="names none"):
        check_devices([""])
