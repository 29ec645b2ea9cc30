"""How far an onset's marker is from the moment at which the pixels of the participant's window changed.

Run ``python benchmarks/presenter_timing.py`` (two minutes; ``--quick`` for twenty seconds, saves nothing). Text,
pictures and empty screens come and go in the real window, every one marked by the real outlet. Beside it, a stand-in
for a photodiode: the pixels of the window's photodiode square are read back a thousand times a second and pushed over
LSL. Both streams are recorded by inlets, and each marker is held against the two samples between which the square
changed:

* **marker - lit**: against the first sample that saw the change; the change came at or before that sample.
* **marker - dark**: against the last that did not; the change came after it.
* **bracket**: between the two. The truth about marker - flip lies between the first two figures.
* **asked**: from the call of ``show`` to the marker: what a marker that is sent when a picture is asked for, instead of
  when it is there, would be wrong by.

Without a screen (QT_QPA_PLATFORM unset or ``offscreen``) Qt paints into memory: nothing waits for a screen's period,
and nothing is delayed behind the window. The figures then say that markers carry the moment at which the window's own
pixels changed, and no more. Never measured here: the compositor, the graphics card's queue, the delay and the rise time
of the screen, and the delay of loudspeakers. For these, run it on the laboratory's screen (``QT_QPA_PLATFORM=xcb`` or
the system's own) with a photodiode on the square in the lower right corner that another program sends over LSL:
``--photodiode NAME``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pylsl
from live_outlets import network
from numpy.typing import NDArray
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication

from calibration.presenter.photodiode import Photodiode
from calibration.presenter.placing import Placing
from calibration.presenter.window import PresenterWindow
from calibration.scenes import BlankStimulus, Fixation, ImageStimulus, Shown, Stimulus, TextStimulus
from calibration.stimulus_outlet import StimulusOutlet
from rtemo.clock import LslClock
from rtemo.liblsl import configure, local_clock

RESULTS = Path(__file__).with_name("results") / "presenter_timing.json"
SIZE = (1920, 1080)
SQUARE_PX = 80
STAND_IN = "rtemo-stand-in-photodiode"
KINDS = ("text", "picture", "blank")
TEXT = "Think of a moment in which you were really happy.\n\nSee it before you until the cross comes back."
FIND_S = 10.0


@dataclass
class StandIn:
    """Reads the middle of the photodiode's square back, and sends what it sees."""

    window: PresenterWindow
    outlet: pylsl.StreamOutlet

    def sample(self) -> None:
        """Read, and send with the moment halfway through reading."""
        surface = self.window.surface
        before_s = local_clock()
        x, y = surface.width() - SQUARE_PX // 2, surface.height() - SQUARE_PX // 2
        pixel = QGuiApplication.primaryScreen().grabWindow(surface.winId(), x, y, 1, 1).toImage()
        after_s = local_clock()
        if pixel.isNull():
            raise SystemExit("this platform does not give pixels back; use a real photodiode: --photodiode NAME")
        self.outlet.push_sample([float(pixel.pixelColor(0, 0).lightness())], (before_s + after_s) / 2)


def wait(seconds: float) -> None:
    """Let Qt work."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def inlet(name: str, kind: str) -> pylsl.StreamInlet:
    """An inlet of a stream, its stamps as they were sent."""
    found = pylsl.resolve_byprop(kind, name, 1, FIND_S)
    if not found:
        raise SystemExit(f"no stream with {kind} {name!r} within {FIND_S:g} s")
    opened = pylsl.StreamInlet(found[0], max_buflen=3600)
    opened.open_stream(FIND_S)
    return opened


def drained(source: pylsl.StreamInlet) -> tuple[list[list[object]], NDArray[np.float64]]:
    """All that an inlet holds."""
    samples: list[list[object]] = []
    stamps: list[float] = []
    while True:
        more, at = source.pull_chunk(timeout=0.2, max_samples=4096)
        if not at:
            return samples, np.array(stamps)
        samples.extend(more)
        stamps.extend(at)


def picture(folder: Path) -> Path:
    """A picture as large as the screen."""
    image = QImage(*SIZE, QImage.Format.Format_RGB32)
    image.fill(QColor("#305080"))
    path = folder / "picture.png"
    image.save(str(path))
    return path


def stimulus(kind: str, number: int, path: Path) -> Stimulus:
    """What is shown of a kind."""
    if kind == "text":
        return TextStimulus(number, TEXT)
    return ImageStimulus(number, path) if kind == "picture" else BlankStimulus(number)


def shown(window: PresenterWindow, scene: Stimulus | Fixation) -> tuple[float, float]:
    """Show a scene; gives when it was asked for and what its onset was stamped with."""
    asked_s = local_clock()
    window.show(scene)
    while True:
        wait(0.002)
        for event in window.events():
            if isinstance(event, Shown):
                return asked_s, event.stamp_s
            raise SystemExit(f"the window says {event}")


def run(trials: int, stream: str | None) -> dict[str, object]:
    """Show, record, compare."""
    session = uuid.uuid4().hex[:8]
    configure(network(f"timing-{session}") if stream is None else network("default"))
    QApplication(sys.argv[:1])
    rng = np.random.default_rng(7)
    asked: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        path = picture(Path(name))
        size = SIZE if QGuiApplication.platformName() == "offscreen" else None
        window = PresenterWindow(LslClock(), Placing(size=size, photodiode=Photodiode("bottom-right", SQUARE_PX)))
        report = window.open()
        markers = StimulusOutlet(session)
        info = pylsl.StreamInfo(
            STAND_IN, "Photodiode", 1, pylsl.IRREGULAR_RATE, pylsl.cf_double64, f"{STAND_IN}-{session}"
        )
        outlet = pylsl.StreamOutlet(info) if stream is None else None
        recorded_markers = inlet(markers.source_id, "source_id")
        recorded_light = inlet(stream or STAND_IN, "name")
        sampling = QTimer()
        if outlet is not None:
            stand_in = StandIn(window, outlet)
            sampling.timeout.connect(stand_in.sample)
            sampling.start(1)
        number = 0
        for trial in range(trials):
            for kind in KINDS:
                number += 2
                scene = stimulus(kind, number, path)
                shown(window, Fixation(number - 1))
                window.prepare(scene)
                wait(0.08 + 0.04 * rng.random())
                asked_s, stamp_s = shown(window, scene)
                markers.push(f"{kind}/{trial}", stamp_s)
                asked[f"{kind}/{trial}"] = stamp_s - asked_s
                wait(0.06 + 0.04 * rng.random())
        wait(0.3)
        sampling.stop()
        texts, marked_s = drained(recorded_markers)
        light, light_s = drained(recorded_light)
        window.close()
        markers.close()
    level = np.array([float(sample[0]) for sample in light])  # type: ignore[arg-type]
    onsets = np.flatnonzero(np.diff((level > (level.min() + level.max()) / 2).astype(int)) == 1)
    dark_s, lit_s = light_s[onsets], light_s[onsets + 1]
    figures: dict[str, object] = {"flips": report.words(), "platform": QGuiApplication.platformName()}
    for kind in KINDS:
        mine = [at for at, text in enumerate(texts) if str(text[0]).startswith(kind)]
        nearest = [int(np.argmin(np.abs(lit_s - marked_s[at]))) for at in mine]
        figures[kind] = {
            "trials": len(mine),
            "marker - lit": spread(marked_s[mine] - lit_s[nearest]),
            "marker - dark": spread(marked_s[mine] - dark_s[nearest]),
            "bracket": spread(lit_s[nearest] - dark_s[nearest]),
            "asked": spread(np.array([asked[str(texts[at][0])] for at in mine])),
        }
        assert len(set(nearest)) == len(mine), "an onset was seen twice, or not at all"
    return figures


def spread(values_s: NDArray[np.float64]) -> dict[str, float]:
    """In milliseconds; p95 is of the size, whatever its sign."""
    return {
        "p50_ms": round(1e3 * float(np.median(values_s)), 3),
        "p95_of_size_ms": round(1e3 * float(np.percentile(np.abs(values_s), 95)), 3),
        "min_ms": round(1e3 * float(values_s.min()), 3),
        "max_ms": round(1e3 * float(values_s.max()), 3),
    }


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="twenty seconds; nothing is saved")
    parser.add_argument(
        "--photodiode", metavar="NAME", help="the LSL stream of a real photodiode, in its first channel"
    )
    options = parser.parse_args()
    found: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "window": f"{SIZE[0]} x {SIZE[1]}",
        "photodiode": options.photodiode or "stand-in: pixels read back in the same process",
    }
    found |= run(20 if options.quick else 150, options.photodiode)
    print(json.dumps(found, indent=2))
    if not options.quick and options.photodiode is None:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
