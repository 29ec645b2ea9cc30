"""The pictures of the dashboard in the documentation: a simulated laboratory, a live session, and the real window.

Run ``python benchmarks/dashboard_picture.py`` (six minutes; ``--minutes 1`` for less). Devices are simulated, and fail
by plan; the session, its predictions and all that is shown are real. Pictures go to ``docs/images``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["QT_QPA_PLATFORM"] = "offscreen"

from dashboard_cost import process

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
FAULTS = "eye:drop@{a}+20,eeg:flat=T7@{b}+600,pps:gap@{c}+12"
SHOWN = {"signals_dark": 0, "scalp_light": 1, "adaptation_dark": 3}
"""Pictures, and the tab of each."""


def prepare(folder: Path) -> tuple[Path, Path]:
    """A configuration in an LSL session of its own, and a bundle of a simulated participant."""
    import uuid

    from rtemo.config import NetworkSettings
    from rtemo.demonstration import laboratory_configuration, record_laboratory
    from rtemo.extraction import extract
    from rtemo.model.bundle import save_bundle
    from rtemo.outputs.folder import write_configuration
    from rtemo.sources.schedule import LaboratorySettings
    from rtemo.training import train_bundle

    config = laboratory_configuration(NetworkSettings(scope="machine", session_id=uuid.uuid4().hex))
    record_laboratory(folder / "calibration.xdf", LaboratorySettings(trial_s=15, rest_s=3), 12 * 18.0)
    bundle = train_bundle(config, [extract(folder / "calibration.xdf", config)], [], device="cpu").bundle
    save_bundle(folder / "bundle", bundle)
    return write_configuration(folder, config), folder / "bundle"


def watch(config: Path, seconds: float) -> None:
    """Look at the session for so long, then take the pictures."""
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from rtemo.clock import LslClock
    from rtemo.config import load_configuration
    from rtemo.dashboard.feed import Feed
    from rtemo.dashboard.mailbox import Mailbox
    from rtemo.dashboard.state import DashboardState
    from rtemo.dashboard.window import DashboardWindow, Ports

    application = QApplication(sys.argv[:1])
    mailbox = Mailbox()
    feed = Feed(load_configuration(config).network, post=mailbox.put)
    state = DashboardState(LslClock())
    feed.start()
    window = DashboardWindow(state, Ports(send=feed.send, heard=feed.heard, beep=lambda: None))
    window.show()

    def look(for_s: float) -> None:
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            for message in mailbox.take():
                state.take(message)
            window.draw()
            application.processEvents()
            QTest.qWait(80)

    look(0.6 * seconds)
    window.annotations.annotate("cap touched")
    look(0.4 * seconds)
    for name, tab in SHOWN.items():
        if not name.endswith(window.theme.name):
            window.toggle_theme()
        window.tabs.setCurrentIndex(tab)
        # The maps' first one takes a while.
        look(12.0)
        window.grab().save(str(IMAGES / f"dashboard_{name}.png"))
    feed.stop()
    window.close()


def main() -> None:
    """Set it up, look, and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    seconds = 60 * parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, bundle = prepare(folder)
        faults = FAULTS.format(a=round(0.3 * seconds), b=round(0.6 * seconds), c=round(0.75 * seconds))
        run = ("run", config, "-m", bundle, "-p", "07", "-o", folder / "out", "--no-dashboard", "--wait", "30")
        with (
            process("simulate", config, "--session", 1, "--fault", faults, log=folder / "simulate.log"),
            process(*run, log=folder / "run.log"),
        ):
            watch(config, seconds)


if __name__ == "__main__":
    main()
