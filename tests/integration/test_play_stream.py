"""`rtemo play --stream`: what inlets get is what the file holds, at the same relative times."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from lab import Run
from listener import SCOPE, Heard, Listener

from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk
from rtemo.xdf import XdfWriter

pytestmark = pytest.mark.lsl


def played(
    folder: Path, recording: Path, *options: str
) -> tuple[dict[str, list[Heard]], subprocess.CompletedProcess[str]]:
    """What is heard of a recording, by name, and what the command said."""
    session = uuid.uuid4().hex
    command = [sys.executable, "-m", "rtemo", "play", str(recording), "--stream"]
    with Listener(session, folder) as listener:
        done = subprocess.run(
            [*command, "--scope", SCOPE, "--session-id", session, *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        heard: dict[str, list[Heard]] = {}
        for one in sorted(listener.heard(), key=lambda one: one.opened_s):
            heard.setdefault(one.name, []).append(one)
        return heard, done


def write(path: Path, length_s: float = 3.0) -> Path:
    """An EEG in volts with its number in the first channel and a gap, a tracker on another clock, and markers."""
    with XdfWriter(path) as writer:
        eeg = writer.add_stream("Amp", "EEG", ["N", "Cz"], 100.0, "int32", units="uV", source_id="amp-1")
        eye = writer.add_stream("Tracker", "Gaze", ["n", "x"], 50.0, "double64", source_id="eye-1")
        films = writer.add_stream("Films", "Markers", ["marker"], 0.0, "string", source_id="films-1")
        for stream, offset_s in ((eeg, 0.0), (eye, -4000.0), (films, 0.0)):
            writer.write_clock_offset(stream, 100.0 - offset_s, offset_s)
        for k in range(round(length_s * 10)):
            n = np.arange(10 * k, 10 * k + 10)
            if not 10 <= k < 14:
                writer.write_samples(eeg, 100 + n / 100, np.column_stack([n, -n]).astype(np.int32))
            m = np.arange(5 * k, 5 * k + 5)
            writer.write_samples(eye, 4100 + m / 50, np.column_stack([m, np.sin(m)]))
            if k % 10 == 5:
                writer.write_samples(films, [100 + k / 10], [[f"film {k}"]])
        for stream, offset_s in ((eeg, 0.0), (eye, -4000.0), (films, 0.0)):
            writer.write_clock_offset(stream, 100.0 + length_s - offset_s, offset_s)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("recording") / "session.xdf")


def test_values_times_gaps_and_descriptions_are_those_of_the_file(recording: Path, tmp_path: Path) -> None:
    heard, done = played(tmp_path, recording)
    assert done.returncode == 0, done.stderr
    (amp,), (tracker,), (films,) = heard["Amp"], heard["Tracker"], heard["Films"]
    assert np.array_equal(amp.numbers, np.r_[0:100, 140:300])
    assert np.array_equal(np.array(amp.values)[:, 1], -amp.numbers)
    assert np.array_equal(np.array(tracker.values), np.column_stack([np.arange(150), np.sin(np.arange(150))]))
    assert [row[0] for row in films.values] == ["film 5", "film 15", "film 25"]
    origin_s = amp.stamps_s[0]
    assert np.abs(amp.stamps_s - origin_s - amp.numbers / 100).max() < 1e-3
    assert np.abs(tracker.stamps_s - origin_s - tracker.numbers / 50).max() < 1e-3
    assert np.abs(films.stamps_s - origin_s - [0.5, 1.5, 2.5]).max() < 1e-3
    assert (amp.source_id, amp.rate_hz, amp.type) == ("amp-1", 100.0, "EEG")
    root = ElementTree.fromstring(amp.xml)
    assert [channel.findtext("label") for channel in root.iter("channel")] == ["N", "Cz"]
    assert {channel.findtext("unit") for channel in root.iter("channel")} == {"uV"}
    assert root.findtext("channel_format") == "int32"
    assert ElementTree.fromstring(tracker.xml).findtext("channel_format") == "double64"


def test_samples_are_sent_at_their_moment_on_this_machines_clock(recording: Path, tmp_path: Path) -> None:
    heard, _ = played(tmp_path, recording)
    for one in (heard["Amp"][0], heard["Tracker"][0]):
        age_s = one.came_s - one.stamps_s
        # What is sent at once is a tenth of a second, and the listener looks every 50 ms.
        assert age_s.min() > -0.001
        assert age_s.max() < 0.5


def test_speed_moves_rates_and_stamps_alike(recording: Path, tmp_path: Path) -> None:
    heard, _ = played(tmp_path, recording, "--speed", "2")
    (tracker,) = heard["Tracker"]
    assert tracker.rate_hz == 100.0
    assert np.allclose(np.diff(tracker.stamps_s), 0.01, rtol=0, atol=1e-4)
    assert np.array_equal(tracker.numbers, np.arange(150))


def test_faults_happen_to_streams_by_name_or_type(recording: Path, tmp_path: Path) -> None:
    fault = "gaze:drop@1+0.5,Amp:flat=Cz@2+0.5,amp:stamps@2.5=3,films:twin@1"
    heard, done = played(tmp_path, recording, "--fault", fault)
    before, after = heard["Tracker"]
    # An inlet whose outlet vanishes may lose the last chunk, though it was sent.
    assert 44 <= before.numbers[-1] <= 49
    assert after.numbers[0] >= 75
    assert after.numbers[-1] == 149
    (amp,) = heard["Amp"]
    values = np.array(amp.values)
    flat = (amp.numbers >= 200) & (amp.numbers < 250)
    assert (values[flat, 1] == 0).all()
    assert np.array_equal(values[~flat, 1], -amp.numbers[~flat])
    error_s = amp.stamps_s - amp.numbers / 100
    assert np.allclose(error_s[amp.numbers >= 250] - error_s[0], 3.0, atol=1e-3)
    assert len(heard["Films"]) == 2
    assert "gaze:drop@1+0.5: the outlet is gone" in done.stdout


def test_it_starts_again_after_a_gap(tmp_path: Path) -> None:
    recording = write(tmp_path / "short.xdf", length_s=0.5)
    session = uuid.uuid4().hex
    command = [sys.executable, "-m", "rtemo", "play", str(recording), "--stream", "--loop", "--scope", SCOPE]
    with (
        Listener(session, tmp_path) as listener,
        subprocess.Popen(
            [*command, "--session-id", session], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(7.0)
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 130
        (amp,) = [one for one in listener.heard() if one.name == "Amp"]
    assert np.array_equal(amp.numbers[:100], np.tile(np.arange(50), 2))
    assert amp.stamps_s[50] - amp.stamps_s[0] == pytest.approx(0.49 + 2.0, abs=0.02)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--stream", "--fault", "amp:kill@3"], "no kill"),
        (["--stream", "--fault", "amp:rate@3=50"], "no rate"),
        (["--stream", "--fault", "Amplifier:drop@3"], "unknown device"),
        (["--stream", "--fault", "amp:flat=Pz"], "no channel 'Pz'"),
        (["--stream", "-m", "bundle"], "--model"),
        (["--loop"], "only with --stream"),
        (["-c", "lab.toml"], "-m/--model is missing"),
        ([], "-c/--config is missing"),
    ],
)
def test_what_cannot_be_is_refused(recording: Path, rtemo: Run, options: list[str], part: str) -> None:
    outcome = rtemo("play", recording, *options)
    assert outcome.code == 2
    assert part in outcome.err


@pytest.mark.real
def test_a_real_recording_comes_out_as_it_went_in(data_folder: Path, tmp_path: Path) -> None:
    path = data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf"
    expected: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    source = XdfSource(path)
    chunks: dict[str, list[Chunk]] = {}
    for item in source:
        if isinstance(item, Chunk):
            chunks.setdefault(item.stream, []).append(item)
    for stream in source.streams:
        if stream.key in chunks:
            own = chunks[stream.key]
            expected[stream.name] = (
                np.concatenate([chunk.stamps_s for chunk in own]),
                np.concatenate([chunk.values for chunk in own]),
            )
    source.close()
    heard, done = played(tmp_path, path, "--speed", "8")
    assert done.returncode == 0, done.stderr
    first_s = min(stamps[0] for stamps, _ in expected.values())
    origins = []
    for name, (stamps_s, values) in expected.items():
        (one,) = heard[name]
        assert np.array_equal(np.array(one.values, dtype=np.float32), values.astype(np.float32), equal_nan=True)
        played_s = (stamps_s - first_s) / 8
        origins.append(one.stamps_s[0] - played_s[0])
        assert np.abs(one.stamps_s - one.stamps_s[0] - (played_s - played_s[0])).max() < 1e-3
    assert np.ptp(origins) < 1e-3
