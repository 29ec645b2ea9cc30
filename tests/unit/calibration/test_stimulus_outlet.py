"""The outlet of stimulus markers, over LSL, in a process of its own: liblsl is configured once in each."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

pytestmark = pytest.mark.lsl

SCRIPT = """
import json, sys
from rtemo.config import NetworkSettings
from rtemo.liblsl import configure, local_clock

configure(NetworkSettings(scope="machine", session_id=sys.argv[1]))
import pylsl
from calibration.stimulus_outlet import StimulusOutlet

outlet = StimulusOutlet("s1")
(info,) = pylsl.resolve_byprop("source_id", outlet.source_id, minimum=1, timeout=20)
inlet = pylsl.StreamInlet(info)
inlet.open_stream(timeout=20)
stamp_s = local_clock() - 3.0
for i, text in enumerate(["stimulus/glücklich/1", "stimulus-off/1", "a\\0b"]):
    outlet.push(text, stamp_s + i)
told = [inlet.pull_sample(timeout=20) for _ in range(3)]
inlet.close_stream()
outlet.close()
outlet.close()
outlet.push("late", stamp_s)
print(json.dumps({
    "info": [info.name(), info.type(), info.channel_count(), outlet.source_id],
    "xml": outlet.xml.decode("utf-8"),
    "texts": [sample[0] for sample, _ in told],
    "since_s": [stamp - stamp_s for _, stamp in told],
}))
"""


def test_markers_come_with_the_stamps_that_they_were_given() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, uuid.uuid4().hex], capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["info"] == ["rtemo-stimulus", "Markers", 1, "rtemo-stimulus-s1"]
    assert "<manufacturer>rtemo</manufacturer>" in told["xml"]
    assert told["texts"] == ["stimulus/glücklich/1", "stimulus-off/1", "ab"]
    assert told["since_s"] == [0.0, 1.0, 2.0]
