"""`rtemo streams` on real outlets: what it measures, and that no outlet garbles the terminal or hides another."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from network import EEG, GAZE, MARKERS, Network, network

pytestmark = pytest.mark.lsl

HOSTILE = [
    {"name": "e\x1b[31mvil\x07", "source_id": "a"},
    {"name": "c1\x9b31m\u202eabc", "source_id": 'q"\\', "labels": ["\x85[bold]x", "]]><b>"]},
    {"name": "../../etc/passwd", "type": "../x", "source_id": "b"},
    {"name": "wide", "channels": 10_000, "sends_hz": 0, "source_id": "c"},
    {"name": "big", "padding": 3000, "source_id": "d"},
    {"name": "nan", "rate_hz": None, "source_id": "e"},
]


def measured(there: Network, *options: str) -> dict[str, dict[str, Any]]:
    done = there.rtemo("streams", "--json", *there.options, *options)
    assert done.code == 0, done.err
    return {stream["name"]: stream for stream in json.loads(done.out)["streams"]}


def test_streams_are_measured_by_what_they_send() -> None:
    slow = {"name": "Slow", "type": "GSR", "channels": 1, "rate_hz": 50.0, "sends_hz": 40.0, "source_id": "s"}
    old = {"name": "Old", "type": "PPG", "channels": 1, "rate_hz": 100.0, "lag_s": 3.0}
    silent = {"name": "Silent", "type": "PPG", "channels": 1, "sends_hz": 0, "source_id": "z"}
    with network(EEG, GAZE, MARKERS, slow, old, silent) as there:
        found = measured(there)
    eeg = found["Enobio"]
    assert eeg["rate_hz"] == pytest.approx(250, rel=0.05)
    assert eeg["channel_labels"] == ["Fp1", "Fp2"]
    assert eeg["findings"] == []
    assert -0.01 < eeg["age_s"] < 0.5
    assert abs(eeg["clock_offset_s"]) < 0.005  # one machine, one clock
    assert 0 < eeg["uncertainty_s"] == eeg["round_trip_s"] / 2 < 0.02
    assert found["Slow"]["rate_hz"] == pytest.approx(40, rel=0.05)
    assert "off its nominal 50 Hz" in found["Slow"]["findings"][0]
    assert found["Old"]["age_s"] == pytest.approx(3, abs=0.5)
    assert "s old when they arrive" in " ".join(found["Old"]["findings"])
    assert "no source_id" in " ".join(found["Old"]["findings"])
    assert (found["Silent"]["samples"], found["Silent"]["age_s"]) == (0, None)
    assert "sends nothing" in found["Silent"]["findings"][0]
    assert (found["PsychoPy"]["rate_hz"], found["PsychoPy"]["texts"]) == (None, ["clip/positive\x1b[31m"])


def test_hostile_streams_are_refused_or_escaped_and_spoil_no_other() -> None:
    with network(EEG, *HOSTILE) as there:
        found = measured(there, "--measure", "0.5")
        shown = there.rtemo("streams", *there.options, "--measure", "0.5")
    assert found["Enobio"]["findings"] == []
    assert found["big"]["findings"] == []
    assert found["../../etc/passwd"]["samples"] > 0
    assert found["wide"]["channels"] == len(found["wide"]["channel_labels"]) == 10_000
    assert "is refused" in found["e\x1b[31mvil\x07"]["findings"][0]
    # liblsl itself cannot read a rate that is no number, so nothing is known of that stream.
    assert any("liblsl cannot read its answer" in " ".join(stream["findings"]) for stream in found.values())
    assert shown.code == 0
    assert all(line.isprintable() for line in shown.out.splitlines())
    assert r"e\x1b[31mvil\x07" in shown.out


def test_duplicates_are_pointed_out() -> None:
    with network(EEG, EEG) as there:
        found = there.rtemo("streams", *there.options, "--measure", "0.2")
    assert found.out.count("is a duplicate") == 2


def test_a_stream_that_freezes_after_it_was_found_hangs_nothing() -> None:
    with network(EEG) as there:
        code = (
            "import json, sys\n"
            "from rtemo.config import NetworkSettings\n"
            "from rtemo.liblsl import configure\n"
            f"configure(NetworkSettings(scope='machine', session_id={there.session_id!r}))\n"
            "from rtemo.sources.lsl.survey import find_streams, survey\n"
            "streams = find_streams(1.0)\n"
            "print(len(streams), flush=True)\n"
            "sys.stdin.readline()\n"
            "print(json.dumps([found.findings for found in survey(streams, 0.2, answer_s=0.5)]))\n"
        )
        assert there.outlets is not None
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as asking:
            assert asking.stdout is not None
            assert asking.stdout.readline() == "1\n"
            there.outlets.send_signal(signal.SIGSTOP)
            out, _ = asking.communicate("\n", timeout=10)
        assert asking.returncode == 0
        assert json.loads(out) == [["cannot be reached for its header: no answer in 0.5 s"]]


def test_watching_goes_on_until_it_is_interrupted() -> None:
    with network(EEG) as there:
        command = [sys.executable, "-m", "rtemo", "streams", "--watch", "--json", "--wait", "0.2", "--measure", "0.2"]
        with subprocess.Popen([*command, *there.options], stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            rounds = [json.loads(watching.stdout.readline()) for _ in range(2)]
            watching.send_signal(signal.SIGINT)
            watching.communicate(timeout=20)
    assert [[stream["name"] for stream in one["streams"]] for one in rounds] == [["Enobio"], ["Enobio"]]
    assert watching.returncode == 130


def test_no_stream_at_all_is_exit_code_3_with_a_cure() -> None:
    with network() as there:
        done = there.rtemo("streams", *there.options, "--wait", "0.2")
        as_json = there.rtemo("streams", "--json", *there.options, "--wait", "0.2")
    assert (done.code, as_json.code) == (3, 3)
    assert "firewall" in done.err
    assert json.loads(as_json.out) == {"streams": []}


@pytest.mark.parametrize("options", [("--scope", "galaxy"), ("--session-id", "a\n[log]"), ("--wait", "0")])
def test_options_that_make_no_sense_are_refused(options: tuple[str, str]) -> None:
    with network() as there:
        assert there.rtemo("streams", *options).code == 2
