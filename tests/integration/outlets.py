"""LSL outlets in a process of their own: ``python outlets.py SESSION_ID JSON``, stopped by closing its stdin.

With a third word it says ``waiting`` and opens them when a line comes.

The JSON is a list of outlets, each ``{name, type, channels, rate_hz, format, source_id, labels, padding, sends_hz,
lag_s}``; ``rate_hz`` may be null for NaN, ``padding`` kilobytes of further XML; stamps lie ``lag_s`` in the past.
"""

from __future__ import annotations

import json
import math
import sys
import threading

import pylsl

from rtemo.config import NetworkSettings
from rtemo.liblsl import configure

TICK_S = 0.01


def made(told: dict[str, object]) -> pylsl.StreamOutlet:
    rate = told.get("rate_hz", 100.0)
    info = pylsl.StreamInfo(
        told["name"],
        told.get("type", "EEG"),
        told.get("channels", 2),
        math.nan if rate is None else rate,
        told.get("format", "float32"),
        told.get("source_id", ""),
    )
    channels = info.desc().append_child("channels")
    for label in told.get("labels", []):
        channels.append_child("channel").append_child_value("label", label)
    padding = info.desc().append_child("padding")
    for _ in range(told.get("padding", 0)):
        padding.append_child_value("x", "y" * 1000)
    return pylsl.StreamOutlet(info, chunk_size=0)


def main() -> None:
    configure(NetworkSettings(scope="machine", session_id=sys.argv[1]))
    told = json.loads(sys.argv[2])
    if len(sys.argv) > 3:
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        sys.stdin.readline()
    outlets = [(made(one), one) for one in told]
    sent = [0] * len(outlets)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    began_s = pylsl.local_clock()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not stop.wait(TICK_S):
        for number, (outlet, one) in enumerate(outlets):
            rate_hz = one.get("sends_hz", one.get("rate_hz", 100.0)) or 0.0
            due = int((pylsl.local_clock() - began_s) * rate_hz)
            for sample in range(sent[number], due):
                values = (
                    ["clip/positive\x1b[31m"]
                    if one.get("format") == "string"
                    else [float(sample)] * outlet.channel_count
                )
                outlet.push_sample(values, began_s + (sample + 1) / rate_hz - one.get("lag_s", 0.0))
            sent[number] = due


if __name__ == "__main__":
    main()
