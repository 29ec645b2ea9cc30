"""The real window beside a real session, each in a process of its own: an operator works with both."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from live_lab import ENVIRONMENT, LiveLab, until

from rtemo.adaptation.log import read_adaptation_log

pytestmark = [pytest.mark.lsl, pytest.mark.gui]
DRIVER = Path(__file__).with_name("dashboard_driver.py")


def test_what_an_operator_does_at_the_window_happens_in_the_session(live_lab: LiveLab, tmp_path: Path):
    import pyxdf

    with live_lab.start("--wait", "60", "--duration", "28") as session:
        until(session, "looking for")
        with live_lab.simulated("--fault", "eye:drop@15+4"):
            until(session, "session ->")
            command = [sys.executable, DRIVER, "machine", live_lab.network.session_id, tmp_path]
            done = subprocess.run(
                [*map(str, command)], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
            )
            session.communicate(timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["first"] == "no session"
    assert seen["emotion"] in ("negative", "neutral", "positive")
    assert seen["annotations"] == ["talking", "hello pam"]
    assert any("eye" in text for text in seen["alarms"])
    assert seen["beeps"] >= 1
    assert seen["acknowledged"]
    assert seen["missing"] == 1
    assert seen["last"] == "the session is over"
    assert seen["tiles at the end"] == ["unknown"]
    assert seen["trials"] >= 2
    assert (tmp_path / "window.png").read_bytes()[:4] == b"\x89PNG"
    rows = list(
        csv.reader(line for line in (tmp_path / "seen.csv").read_text().splitlines() if not line.startswith("#"))
    )
    assert len(rows) > 10
    # And the session did what it was asked, has it in its recording, and is replayed to the same.
    assert session.returncode == 0
    assert [event["text"] for event in live_lab.events() if event["event"] == "annotation"] == seen["annotations"]
    streams, _ = pyxdf.load_xdf(str(live_lab.session() / "recording.xdf"), dejitter_timestamps=False)
    (events,) = (stream for stream in streams if stream["info"]["name"] == ["rtemo-events"])
    noted = [json.loads(row[0]) for row in events["time_series"] if '"annotation"' in row[0]]
    assert [event["text"] for event in noted] == seen["annotations"]
    orders = read_adaptation_log(live_lab.session() / "events.jsonl").orders
    assert [str(order.what) for order in orders] == ["pause", "resume", "reset"]
    told = live_lab.agreement()
    assert told.holds, told
