"""A dashboard beside a session, each in a process of its own: what it does is nobody's concern but its own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from live_lab import LiveLab, until

pytestmark = pytest.mark.lsl


def dashboard_of(session: int) -> int:
    """Number of the process that a session's dashboard is."""
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        for task in Path(f"/proc/{session}/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"dashboard" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.05)
    raise AssertionError("the session opened no dashboard")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(None, id="well", marks=pytest.mark.slow),
        pytest.param(signal.SIGSTOP, id="frozen"),
        pytest.param(signal.SIGKILL, id="killed", marks=pytest.mark.slow),
    ],
)
def test_a_session_neither_waits_for_its_dashboard_nor_minds_losing_it(live_lab: LiveLab, harm: signal.Signals | None):
    options = ("--duration", "10")
    with live_lab.simulated(), live_lab.start(*options, QT_QPA_PLATFORM="offscreen") as session:
        until(session, "session ->")
        dashboard = dashboard_of(session.pid)
        until(session, r"pps live .* [1-9]\d* windows$")
        assert os.getpriority(os.PRIO_PROCESS, dashboard) == 10
        if harm is not None:
            os.kill(dashboard, harm)
        began_s = time.monotonic()
        _, err = session.communicate(timeout=30)
        took_s = time.monotonic() - began_s
    killed = "warning: the dashboard ended before the session, with exit code -9: it said nothing\n"
    assert (session.returncode, err) == (0, killed if harm == signal.SIGKILL else "")
    assert took_s < 10.0
    with pytest.raises(ProcessLookupError):
        os.kill(dashboard, 0)
    rows = live_lab.rows()
    assert [int(row["window"]) for row in rows] == list(
        range(int(rows[0]["window"]), int(rows[0]["window"]) + len(rows))
    )
    assert len(rows) >= 7
    assert (live_lab.session() / "dashboard.log").read_text() == ""
    assert live_lab.agreement().holds
