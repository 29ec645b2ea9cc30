"""MNE-LSL: a StreamLSL with its background acquisition, and `get_data` whenever there is something new. EEG alone."""

from __future__ import annotations

import math
import os
import time

import mne_lsl
import numpy as np
from common import EEG_NAME, EEG_RATE_HZ, EEG_SAMPLES, LENGTH_S, Record, differential_entropy, task_parser
from mne_lsl.lsl import local_clock, set_config_filename
from mne_lsl.stream import StreamLSL

POLL_S = 0.0005
"""The documentation's examples poll `n_new_samples` and sleep; theirs is longer."""


def main() -> None:
    arguments = task_parser(__doc__).parse_args()
    mne_lsl.set_log_level("ERROR")
    # Its liblsl does not look at the variable by itself.
    set_config_filename(os.environ["LSLAPICFG"])
    stream = StreamLSL(bufsize=3.0, name=EEG_NAME).connect(processing_flags=["clocksync"], timeout=10.0)
    window = math.ceil(local_clock() / arguments.hop) + 1
    record = Record(arguments.windows)
    done = False
    while not done:
        if stream.n_new_samples == 0:
            time.sleep(POLL_S)
            continue
        # A little more than the window, as what was pulled may reach beyond its end.
        data, stamps = stream.get_data(LENGTH_S + 0.1)
        while stamps[-1] + 0.9 / EEG_RATE_HZ >= window * arguments.hop + LENGTH_S:
            stop_s = window * arguments.hop + LENGTH_S
            window += 1
            end = int(np.searchsorted(stamps, stop_s))
            if end < EEG_SAMPLES or stamps[0] == 0:
                continue
            samples = data[:, end - EEG_SAMPLES : end]
            differential_entropy(samples)
            done = record.add(local_clock(), stop_s, samples[-1, -1])
    stream.disconnect()
    record.save(arguments.out, mne_lsl=mne_lsl.__version__)


if __name__ == "__main__":
    main()
