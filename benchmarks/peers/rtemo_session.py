"""rtemo as ``rtemo run`` runs it: model, outlets, recording, table. Notes when each window's features are ready."""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from common import Record, task_parser
from live_outlets import DEVICES
from rtemo_features import SWITCH_INTERVAL_S, last_numbers
from rtemo_task import configuration

from rtemo.cli.run import StatusView
from rtemo.config import AdaptationSettings
from rtemo.liblsl import local_clock
from rtemo.live.session import LiveSession
from rtemo.model.bundle import load_bundle
from rtemo.types import FeatureWindow

WAIT_S = 20.0


def main() -> None:
    parser = task_parser(__doc__)
    parser.add_argument("--session", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--adaptation", default="off", help="mode; with any but off there is an update every 4 windows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    views = list(DEVICES)
    record = Record(arguments.windows, len(views))

    def on_windows(windows: list[FeatureWindow]) -> None:
        now_s = local_clock()
        for window in windows:
            if record.add(now_s, window.stop_s, *last_numbers(window, views)):
                session.stop()

    config = configuration(arguments.hop, views, arguments.session)
    adaptation = AdaptationSettings(mode=arguments.adaptation, every=4)
    config = config.model_copy(update={"adaptation": adaptation})
    session = LiveSession(config, load_bundle(arguments.bundle), device="cpu", on_windows=on_windows)
    with tempfile.TemporaryDirectory() as folder, StatusView(config, session) as view:
        missing = session.find(WAIT_S, view.waiting)
        if missing:
            raise SystemExit(f"no stream for {', '.join(missing)}")
        last = session.run(Path(folder), "benchmark", on_begin=view.begin, on_status=view.show)
        view.end(last)
        learnt = str(last.adaptation)
        record.save(arguments.out, rtemo=version("rtemo"), torch=torch.__version__, adaptation=learnt)


if __name__ == "__main__":
    main()
