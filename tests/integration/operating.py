"""An operator in a process of its own, over plain pylsl: ``python operating.py SESSION_ID``.

First it prints the layout of the session, once that listens to it; another stream of its own is not one of commands.
Each line of its stdin is ``[text, seconds]``, sent, and printed as the stamp that it bore, so many seconds ago. When
stdin ends it prints all statuses so far, and those that come until the session ends.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

import pylsl

from rtemo.config import NetworkSettings
from rtemo.liblsl import configure


def tell(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def found(name: str) -> pylsl.StreamInfo:
    return pylsl.resolve_byprop("name", name, 1, 60.0)[0]


def outlet_to(session: str, channels: int) -> pylsl.StreamOutlet:
    source = f"rtemo-command-{session}-{channels}"
    info = pylsl.StreamInfo("rtemo-command", "Command", channels, pylsl.IRREGULAR_RATE, pylsl.cf_string, source)
    return pylsl.StreamOutlet(info)


def main() -> None:
    configure(NetworkSettings(scope="machine", session_id=sys.argv[1]))
    inlet = pylsl.StreamInlet(found("rtemo-status"), recover=False, max_buflen=60)
    root = ElementTree.fromstring(inlet.info(5.0).as_xml())
    layout = json.loads(root.findtext("desc/layout"))
    outlet, other = (outlet_to(layout["session"], channels) for channels in (1, 2))
    outlet.wait_for_consumers(10.0)
    # The session must have opened it for good.
    time.sleep(0.2)
    tell(layout)
    statuses: list[tuple[float, str]] = []

    def listen() -> None:
        try:
            while True:
                rows, stamps = inlet.pull_chunk(timeout=0.1)
                statuses.extend((stamp, row[0]) for row, stamp in zip(rows, stamps, strict=True))
        except pylsl.util.LostError:
            pass

    listening = threading.Thread(target=listen)
    listening.start()
    for line in sys.stdin:
        text, ago_s = json.loads(line)
        stamp_s = pylsl.local_clock() - ago_s
        outlet.push_sample([text], stamp_s)
        tell(stamp_s)
    # An outlet that goes takes along what it has not sent yet: this one stays until the session has ended.
    listening.join(30)
    del outlet, other
    tell(statuses)


if __name__ == "__main__":
    main()
