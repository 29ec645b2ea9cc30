"""A participant that reacts to a calibration: what is shown when, and from which sample on signals show it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from calibration import stimulus_outlet
from rtemo.clock import VirtualClock
from rtemo.devices.choice import chosen_devices
from rtemo.devices.following import Attention, Participant
from rtemo.devices.simulated import device_actions, outlet_of
from rtemo.errors import ConfigurationError
from rtemo.outputs.publish import Send
from rtemo.sources.faults import parse_faults
from rtemo.sources.followed import MOST_CHANGES, Followed, stimulus_label
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings, Schedule
from rtemo.types import STIMULUS_STREAM

SETTINGS = LaboratorySettings(effect=4.0)
RATES = {"eeg": 1000, "eye": 120, "pps": 256}
Changes = list[tuple[float, int]]


def test_the_stream_is_that_of_a_calibration() -> None:
    assert stimulus_outlet.STIMULUS_STREAM == STIMULUS_STREAM


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("stimulus/positive/1", "positive"),
        ("stimulus/none/12", "none"),
        ("stimulus/a/b/3", "a/b"),
        ("stimulus/positive", None),
        ("stimulus//1", None),
        ("stimulus/positive/x", None),
        ("stimulus-off/1", None),
        ("void/1/paused", None),
        ("baseline/start", None),
        ("stimulus/", None),
        ("", None),
    ],
)
def test_only_a_stimulus_shows_a_label(text: str, label: str | None) -> None:
    assert stimulus_label(text) == label


class Room:
    """A participant and what was said about it."""

    def __init__(self, *labels: str) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.participant = Participant(
            labels or SETTINGS.labels, say=lambda at_s, text: self.said.append(text), warn=self.warned.append
        )

    def sees(self, *texts: str | None) -> list[int | None]:
        return [self.participant.sees(float(k), text) for k, text in enumerate(texts)]


def test_a_stimulus_shows_its_label_and_everything_else_ends_it() -> None:
    room = Room()
    texts = ["fixation/1", "stimulus/positive/1", "stimulus-off/1", "rest/1", "stimulus/negative/2", "void/2/paused"]
    assert room.sees(*texts, "stimulus/neutral/3", None) == [None, 2, -1, None, 0, -1, 1, -1]
    assert room.participant.history == ((1.0, 2), (2.0, -1), (4.0, 0), (5.0, -1), (6.0, 1), (7.0, -1))
    assert room.said[:2] == ["rtemo-stimulus: 'positive' is shown", "rtemo-stimulus: nothing is shown"]
    assert not room.warned


def test_one_stimulus_may_follow_another_at_once() -> None:
    assert Room().sees("stimulus/positive/1", "stimulus/negative/2", "stimulus/negative/3") == [2, 0, None]


def test_a_label_that_nobody_knows_is_no_effect_and_warned_of_once() -> None:
    room = Room()
    texts = ["stimulus/joy/1", "stimulus/joy/2", "stimulus/positive/3", "stimulus/joy/4", "stimulus/none/5"]
    assert room.sees(*texts) == [None, None, 2, -1, None]
    (warning,) = room.warned
    assert "'joy'" in warning
    assert "negative, neutral, positive" in warning
    room.sees(*(f"stimulus/{'x' * 10_000}{k}/1" for k in range(1000)))
    assert sum(map(len, room.warned)) < 10_000


def test_a_label_may_be_called_none() -> None:
    assert Room("none", "some").sees("stimulus/none/1") == [0]


def told(schedule: Schedule, until_s: float) -> Changes:
    """A schedule's own changes, as another one would be told of them."""
    markers = (schedule.marker(k) for k in itertools.count())
    moments = [at_s for at_s, _ in itertools.takewhile(lambda marker: marker[0] <= until_s, markers)]
    return [(at_s, schedule.label_at(at_s)) for at_s in moments]


def test_who_follows_a_schedules_own_markers_is_shown_the_same() -> None:
    settings = LaboratorySettings(trial_s=15.0, rest_s=3.0)
    schedule = Schedule(settings)
    followed = Followed(settings, told(schedule, 100.0))
    moments = np.arange(0.0, 100.0, 0.01)
    assert [followed.label_at(at_s) for at_s in moments] == [schedule.label_at(at_s) for at_s in moments]
    effects = np.array([-1.0, 0.5, 2.0])
    # A schedule takes it that a trial's end is reached: after fifteen seconds, all but a hair is.
    both = [shown.effect(effects, moments, 0.7) for shown in (schedule, followed)]
    assert np.allclose(*both, rtol=0, atol=1e-6)
    for first in range(0, len(moments), 50):
        block = moments[first : first + 50]
        assert np.allclose(schedule.shown_s(block), followed.shown_s(block), rtol=0, atol=1e-9)


def test_an_effect_comes_and_goes_with_its_lag() -> None:
    followed = Followed(SETTINGS, [(10.0, 2), (11.0, -1)])
    effects, lag_s = np.array([0.0, 0.0, 3.0]), 0.5
    reached = 3 * (1 - math.exp(-2))
    at_s = np.array([0.0, 9.999, 10.0, 10.5, 11.0, 11.5, 20.0])
    expected = [0.0, 0.0, 0.0, 3 * (1 - math.exp(-1)), reached, reached * math.exp(-1), 0.0]
    assert np.allclose(followed.effect(effects, at_s, lag_s), expected, rtol=0, atol=1e-7)
    # Where one follows another before the first was reached, nothing jumps.
    followed = Followed(SETTINGS, [(k / 10, (0, 2)[k % 2]) for k in range(30)])
    moved = np.diff(followed.effect(np.array([-1.0, 0.0, 1.0]), np.arange(0.0, 4.0, 0.001), lag_s))
    assert np.abs(moved).max() < 0.005


def test_what_is_forgotten_still_counts() -> None:
    changes = [(float(k), (0, 1, 2, -1)[k % 4]) for k in range(10 * MOST_CHANGES)]
    followed = Followed(SETTINGS, changes)
    end_s = changes[-1][0] + 0.5
    shown = followed.shown_s(np.array([end_s]))[0]
    assert shown == pytest.approx([len(changes) / 4] * 3)
    assert followed.label_at(end_s) == -1
    assert followed.label_at(end_s - 1) == 2
    assert np.isfinite(followed.effect(np.ones(3), np.array([0.0, end_s]), 0.5)).all()


def test_what_is_heard_late_sets_nothing_back() -> None:
    followed = Followed(SETTINGS)
    followed.change(5.0, 1)
    followed.change(4.0, 2)
    assert [followed.label_at(at_s) for at_s in (4.5, 5.0)] == [-1, 2]


def reacting(
    device: str,
    changes: Changes,
    *,
    fault: str = "",
    late_s: float = 0.0,
    since_s: float = 0.0,
    until_s: float = 12.0,
    before: Changes | None = None,
    settings: LaboratorySettings = SETTINGS,
) -> tuple[np.ndarray, np.ndarray]:
    """Stamps and values of a device that hears of each change only when it comes, in virtual time."""
    clock, followed = VirtualClock(since_s), Followed(settings, before or ())
    waiting = list(changes)

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        while waiting and waiting[0][0] + late_s <= clock.now_s() + 1e-9:
            attention.take(*waiting.pop(0))
        return False

    attention = Attention(followed, clock=clock, wait=wait)
    attention.begin(0.0)
    laboratory = Laboratory(settings, followed)
    actions = device_actions(
        laboratory,
        outlet_of(laboratory, device),
        parse_faults(fault),
        since_s=since_s,
        until_s=until_s,
        before=attention.before,
    )
    sends = [action for action in actions if isinstance(action, Send)]
    return np.concatenate([s.stamps_s for s in sends]), np.concatenate([np.asarray(s.values) for s in sends])


ONE = [(4.0, 2), (8.0, -1)]


@pytest.mark.parametrize("device", sorted(RATES))
def test_signals_change_at_the_marker_and_not_before(device: str) -> None:
    stamps_s, without = reacting(device, [])
    same_s, values = reacting(device, ONE)
    assert np.array_equal(stamps_s, same_s)
    changed = ~((values == without) | (np.isnan(values) & np.isnan(without))).all(axis=1)
    assert stamps_s[changed].min() == pytest.approx(4.0, abs=0.02)
    assert changed[(stamps_s > 4.3) & (stamps_s < 8.0)].mean() > 0.9
    if device == "eeg":
        # Its amplitudes know no lag; a chunk of 20 ms is of one kind.
        assert stamps_s[changed].max() == pytest.approx(8.0, abs=0.02)


@pytest.mark.parametrize("device", sorted(RATES))
def test_it_makes_no_difference_whether_a_change_was_known_before(device: str) -> None:
    just_in_time = reacting(device, ONE)
    ahead = reacting(device, [], before=ONE)
    assert np.array_equal(just_in_time[0], ahead[0])
    assert np.allclose(just_in_time[1], ahead[1], rtol=0, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("device", sorted(RATES))
def test_samples_are_the_same_whatever_the_chunks(device: str) -> None:
    sensors = [Laboratory(SETTINGS, Followed(SETTINGS, [(0.96, 2), (1.92, 0)])).device(device) for _ in range(2)]
    chunk = Laboratory().describe(device).chunk
    count = 3 * RATES[device] // (2 * chunk) * 2 * chunk
    # The EEG's gain is that of a chunk's middle.
    step = chunk if device == "eeg" else 2 * chunk
    one = np.concatenate([sensors[0].samples(first, chunk) for first in range(0, count, chunk)])
    other = np.concatenate([sensors[1].samples(first, step) for first in range(0, count, step)])
    assert np.allclose(one, other, rtol=0, atol=2e-2, equal_nan=True)


def test_a_device_that_comes_back_knows_what_is_shown() -> None:
    for device in RATES:
        stamps_s, whole = reacting(device, ONE)
        _, later = reacting(device, [(8.0, -1)], since_s=6.0, before=ONE[:1])
        tail = whole[stamps_s >= 6.0]
        assert np.allclose(later[-len(tail) :], tail, rtol=0, atol=1e-5, equal_nan=True)


def test_what_is_held_back_was_still_made_by_what_was_shown() -> None:
    _, plain = reacting("eeg", ONE)
    _, burst = reacting("eeg", ONE, fault="eeg:burst@3+6")
    assert np.array_equal(plain, burst)


def test_a_crystal_that_is_off_does_not_put_the_effect_elsewhere() -> None:
    changes = [(100.0, 2)]
    options = {"fault": "pps:drift=-20000ppm", "since_s": 98.0, "until_s": 104.0}
    stamps_s, without = reacting("pps", [], **options)  # type: ignore[arg-type]
    _, values = reacting("pps", changes, **options)  # type: ignore[arg-type]
    changed = ~(values == without).all(axis=1)
    assert stamps_s[changed].min() == pytest.approx(100.0, abs=0.04)


def test_a_marker_that_comes_late_moves_no_sample_that_was_made_and_no_heartbeat_jumps() -> None:
    stamps_s, without = reacting("pps", [])
    _, values = reacting("pps", ONE, late_s=0.9)
    changed = ~(values == without).all(axis=1)
    assert stamps_s[changed].min() == pytest.approx(4.9, abs=0.04)
    eda = values[:, 1]
    assert np.abs(np.diff(eda)).max() < 2 * np.abs(np.diff(without[:, 1])).max()


def test_before_the_origin_is_known_nobody_waits() -> None:
    def wait(seconds: float) -> bool:
        raise AssertionError("it waits")

    followed = Followed(SETTINGS)
    assert Attention(followed, clock=VirtualClock(), wait=wait).before(100.0, 0.0)


def test_who_is_stopped_waits_no_longer() -> None:
    attention = Attention(Followed(SETTINGS), clock=VirtualClock(), wait=lambda seconds: True)
    attention.begin(0.0)
    assert not attention.before(1e9, 0.0)


def test_where_nothing_is_sent_for_long_a_device_makes_no_samples_ahead_and_can_be_stopped() -> None:
    clock, waits = VirtualClock(), 0

    def wait(seconds: float) -> bool:
        nonlocal waits
        clock.advance(seconds)
        waits += 1
        return clock.now_s() > 30

    attention, laboratory = Attention(None, clock=clock, wait=wait), Laboratory(SETTINGS)
    attention.begin(0.0)
    outlet, faults = outlet_of(laboratory, "eye"), parse_faults("eye:drop@1+1000000")
    actions = list(device_actions(laboratory, outlet, faults, before=attention.before))
    assert max(action.at_s for action in actions if isinstance(action, Send)) < 1.0
    assert waits > 1000


def windows(eeg: np.ndarray) -> np.ndarray:
    """Log power by band and channel of every second; shape (windows, features)."""
    power = np.abs(np.fft.rfft(eeg[: len(eeg) // 1000 * 1000].reshape(-1, 1000, 62), axis=1)) ** 2
    bands = [power[:, low:high].mean(axis=1) for low, high in ((1, 4), (4, 8), (8, 14), (14, 31), (31, 50))]
    return np.log(np.concatenate(bands, axis=1))


def test_what_a_schedule_taught_tells_followed_labels_apart() -> None:
    def recorded(laboratory: Laboratory, changes: Changes) -> list[tuple[int, np.ndarray]]:
        device = laboratory.device("eeg")
        blocks = [
            np.concatenate([device.samples(first, 20) for first in range(int(at_s * 1000), int(at_s + 4) * 1000, 20)])
            for at_s, label in changes
            if label >= 0
        ]
        return list(zip([label for _, label in changes if label >= 0], map(windows, blocks), strict=True))

    usual = LaboratorySettings(trial_s=4.0, rest_s=2.0)
    taught = recorded(Laboratory(usual), told(Schedule(usual), 6 * 6.0 - 3))
    changes = [(7.0, 1), (11.0, -1), (12.0, 0), (16.0, 2), (20.0, -1), (33.0, 0), (37.0, 1), (41.0, 2), (45.0, -1)]
    other = LaboratorySettings(seed=1)
    followed = recorded(Laboratory(other, Followed(other, changes)), changes)
    centres = np.array([np.concatenate([w for k, w in taught if k == label]).mean(axis=0) for label in range(3)])
    right = [np.argmin(((windows[:, None] - centres) ** 2).sum(axis=2), axis=1) == label for label, windows in followed]
    assert np.concatenate(right).mean() > 0.9


def test_the_markers_are_those_of_who_shows_something() -> None:
    assert chosen_devices(None, follow=False) == ("eeg", "eye", "pps", "markers")
    assert chosen_devices(None, follow=True) == ("eeg", "eye", "pps")
    assert chosen_devices("pps, eye", follow=True) == ("pps", "eye")
    with pytest.raises(ConfigurationError, match="--devices markers"):
        chosen_devices("eye,markers", follow=True)
