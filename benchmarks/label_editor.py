"""What the window of ``rtemo label`` costs: an hour of 62 channels, read, shown and panned through.

Run ``python benchmarks/label_editor.py`` (``--minutes 10`` for less). The recording is noise, written to a folder that
is deleted; the window is the real one, drawn in memory. Said are the time that reading takes, how long the window did
not answer meanwhile, the largest resident memory, and the time of a frame after each step of a pan.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "labels_dark.png"
BEAT_MS = 10
PANS = 20


def write(path: Path, minutes: float, rate_hz: int, channels: int) -> None:
    from rtemo.xdf.writer import XdfWriter

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 20, (8 * rate_hz, channels)).astype(np.float32)
    with XdfWriter(path) as writer:
        names = [f"E{number}" for number in range(1, channels + 1)]
        eeg = writer.add_stream("amplifier", "EEG", names, rate_hz, units="microvolts", hostname="h")
        text = writer.add_stream("clips", "Markers", 1, 0.0, "string", hostname="h")
        part = rate_hz // 4
        for quarter in range(round(minutes * 240)):
            at_s = 1000 + quarter / 4
            if quarter % 20 == 0:
                for stream in (eeg, text):
                    writer.write_clock_offset(stream, at_s, 0.0)
            first = (quarter * part) % (len(noise) - part)
            writer.write_samples(eeg, at_s + np.arange(part) / rate_hz, noise[first : first + part])
            if quarter % 80 == 0:
                writer.write_samples(text, [at_s], [[f"clip/{quarter // 80 % 3}"]])


def measure(path: Path) -> None:
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from calibration.editor.desk import Desk
    from calibration.editor.loading import Loader
    from calibration.editor.window import EditorWindow

    application = QApplication([])
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    loader = Loader(path, None)
    window = EditorWindow(Desk(path, None), loader)
    window.resize(1920, 1080)
    window.show()
    begun_s = time.monotonic()
    beats = [begun_s]

    def beat() -> None:
        beats.append(time.monotonic())
        if not (loader.reading or window.progress.isVisible()):
            application.quit()

    timer = QTimer()
    timer.timeout.connect(beat)
    timer.start(BEAT_MS)
    application.exec()
    waits_ms = 1e3 * np.diff(beats)
    size_mb = path.stat().st_size / 1e6
    print(f"read {size_mb:.0f} MB in {beats[-1] - begun_s:.1f} s")
    print(f"the window answered after {np.percentile(waits_ms, 99):.0f} ms (p99), {waits_ms.max():.0f} ms at most")
    after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest resident memory {after_mb:.0f} MB, {before_mb:.0f} MB of it before")
    timeline = window.timeline
    for count in (8, 64):
        timeline.count = count
        timeline.arrange()
        for span_s in (timeline.duration_s, 600.0, 60.0, 10.0):
            timeline.show_stretch(0, span_s)
            times_ms = []
            for _ in range(PANS):
                at_s = time.perf_counter()
                timeline.pan(0.05)
                timeline.draw()
                timeline.graphics.grab()
                times_ms.append(1e3 * (time.perf_counter() - at_s))
            print(f"{min(count, 62):2d} channels, {span_s:6.0f} s: a frame takes {np.median(times_ms):.0f} ms (median)")
    window.close()


def picture(folder: Path) -> None:
    """The window on a simulated participant whose sensors drop out, for the documentation."""
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from calibration.editor.desk import Desk
    from calibration.editor.loading import Loader
    from calibration.editor.window import EditorWindow
    from rtemo.demonstration import configuration, record

    application = QApplication([])
    path, config = record(folder, seed=0)[1], configuration()
    desk = Desk(path, config)
    window = EditorWindow(desk, Loader(path, config))
    window.resize(1280, 800)
    window.show()
    while window.progress.isVisible():
        QTest.qWait(20)
    desk.select(3)
    desk.set_edge("stop", desk.track.segment(3).stop_s - 4)
    window.refresh()
    application.processEvents()
    window.grab().save(str(PICTURE))
    desk.history.mark_saved()
    window.close()
    print(f"-> {PICTURE}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--channels", type=int, default=62)
    parser.add_argument("--picture", action="store_true", help="only draw the picture of docs/labels.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.picture:
            picture(Path(folder))
            return
        path = Path(folder) / "hour.xdf"
        write(path, asked.minutes, asked.rate, asked.channels)
        measure(path)


if __name__ == "__main__":
    main()
