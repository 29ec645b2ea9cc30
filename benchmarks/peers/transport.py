"""Nothing but the transport: pull the EEG stream, and note when each chunk is there. Nobody can be faster."""

from __future__ import annotations

import math

import numpy as np
import pylsl
from common import EEG_CHANNELS, EEG_NAME, Record, task_parser


def main() -> None:
    parser = task_parser(__doc__)
    arguments = parser.parse_args()
    info = pylsl.resolve_byprop("name", EEG_NAME, 1, 10.0)[0]
    inlet = pylsl.StreamInlet(info, max_buflen=10, processing_flags=0)
    inlet.open_stream(5.0)
    buffer = np.empty((1024, EEG_CHANNELS), dtype=np.float32)
    record = Record(arguments.windows)
    done = False
    while not done:
        _, stamps = inlet.pull_chunk(timeout=1.0, max_samples=1024, min_samples=1, dest_obj=buffer, as_numpy=True)
        now_s = pylsl.local_clock()
        if len(stamps):
            done = record.add(now_s, math.nan if not len(stamps) else float(stamps[-1]), buffer[len(stamps) - 1, -1])
    record.save(arguments.out, pylsl=pylsl.__version__)


if __name__ == "__main__":
    main()
