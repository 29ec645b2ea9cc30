"""ezmsg: LSLInletUnit -> Window -> a unit that computes the features. EEG alone; windows are counted, not on a grid."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from importlib.metadata import version
from pathlib import Path

import ezmsg.core as ez
import pylsl
from common import EEG_NAME, LENGTH_S, Record, differential_entropy, task_parser
from ezmsg.lsl.inlet import LSLInfo, LSLInletSettings
from ezmsg.lsl.units import LSLInletUnit
from ezmsg.sigproc.window import Window, WindowSettings
from ezmsg.util.messages.axisarray import AxisArray


class FeaturesSettings(ez.Settings):
    """How many windows to time, and where to write."""

    windows: int
    out: Path


class FeaturesState(ez.State):
    """The record."""

    record: Record


class Features(ez.Unit):
    """Computes the features of each window, and ends the program when there are enough."""

    SETTINGS = FeaturesSettings
    STATE = FeaturesState
    INPUT = ez.InputStream(AxisArray)

    async def initialize(self) -> None:
        """Begin a record."""
        self.STATE.record = Record(self.SETTINGS.windows)

    @ez.subscriber(INPUT)
    async def on_window(self, message: AxisArray) -> AsyncGenerator[None, None]:
        """Take a window, shape (samples, channels)."""
        differential_entropy(message.data.T)
        stop_s = message.axes["time"].offset + LENGTH_S
        if self.STATE.record.add(pylsl.local_clock(), stop_s, message.data[-1, -1]):
            names = ("ezmsg", "ezmsg-lsl", "ezmsg-sigproc", "pylsl")
            self.STATE.record.save(self.SETTINGS.out, **{name: version(name) for name in names})
            raise ez.NormalTermination


def main() -> None:
    arguments = task_parser(__doc__).parse_args()
    inlet = LSLInletUnit(
        LSLInletSettings(info=LSLInfo(name=EEG_NAME), use_lsl_clock=True, processing_flags=pylsl.proc_clocksync)
    )
    window = Window(
        WindowSettings(
            axis="time", newaxis=None, window_dur=LENGTH_S, window_shift=arguments.hop, zero_pad_until="none"
        )
    )
    features = Features(FeaturesSettings(windows=arguments.windows, out=arguments.out))
    ez.run(
        INLET=inlet,
        WINDOW=window,
        FEATURES=features,
        connections=((inlet.OUTPUT_SIGNAL, window.INPUT_SIGNAL), (window.OUTPUT_SIGNAL, features.INPUT)),
    )


if __name__ == "__main__":
    main()
