"""Can adaptation end below the model that it started from? `python benchmarks/adaptation_safety.py` (half an hour).

Every method predicts the same streams of `adaptation_streams`, one window after the other, with the same trained model
to start from; the frozen model is the yardstick. Tables tell by how many percentage points of accuracy a method differs
from it: the mean over seeds, the worst seed, and how many runs collapsed (over the last third of the stream more than
10 points below the frozen model). The figure shows two kinds of stream over time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from baselines import default_settings, save

import numpy as np  # isort: skip  # baselines sets the number of threads first
from adaptation_ours import ABLATIONS, OURS
from adaptation_peers import PEERS, Frozen, Tent
from adaptation_streams import KINDS, SOURCES, Calibration, Floats, Stream, build
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rtemo.model.refit import refit
from rtemo.model.train import TrainingData, train
from rtemo.model.trained import TrainedModel

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "adaptation_safety.png"
COLLAPSE = 10.0
TUNING_SEEDS = (1000, 1001)
TUNING_KINDS = ("slow drift", "sudden shift", "strong drift")
SHOWN = ("label-sorted", "strong drift")
MOVING = 40


class Method(Protocol):
    """What is compared."""

    def predict(self, views: Mapping[str, Floats]) -> Floats:
        """Probabilities (K,) of one window, whose missing views are NaN; then it may learn from the window."""


USUAL_TENT = "TENT at 0.001"
METHODS: dict[str, Callable[[TrainedModel, Calibration, int], Method]] = {
    **PEERS,
    # The rate that is usual in the literature, beside the one that does least harm here.
    USUAL_TENT: partial(Tent, settings={"lr": 1e-3}),
    **OURS,
}
DRAWN = ("guarded", "recentre")
"""The first of these that ran is drawn beside the frozen model and a peer."""


@dataclass(frozen=True)
class Run:
    """One method on one stream: whether each window was right, and CPU milliseconds a window."""

    right: np.ndarray
    cost_ms: float

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * float(self.right.mean())

    @property
    def end(self) -> float:
        """Accuracy over the last third, in percent."""
        return 100 * float(self.right[-len(self.right) // 3 :].mean())


Runs = dict[str, dict[str, Run]]
"""By kind of stream, then by method."""


def fit(calibration: Calibration, seed: int) -> TrainedModel:
    """The default model of a calibration."""
    data = TrainingData(calibration.views, calibration.labels, calibration.trials, calibration.class_names)
    # Missing views at E[psi], as the peers fill them.
    settings = default_settings(imputations=0)
    return refit(train(data, settings, seed=seed, device="cpu"), data, seed=seed, device="cpu")


def run(method: Method, stream: Stream) -> Run:
    """Predict a stream in time order."""
    right = np.zeros(len(stream.labels), dtype=bool)
    started = time.process_time()
    for at, label in enumerate(stream.labels):
        right[at] = method.predict({view: x[at] for view, x in stream.views.items()}).argmax() == label
    return Run(right, 1000 * (time.process_time() - started) / len(right))


def one_seed(task: tuple[str, int], names: Sequence[str], cache: Path, *, ablation: bool = False) -> Runs:
    """All kinds and methods of a source and a seed."""
    source, seed = task
    material = build(source, seed, cache)
    methods = ABLATIONS if ablation else METHODS
    models = {id(calibration): fit(calibration, seed) for calibration in (material.calibration, material.shuffled)}
    runs: Runs = {}
    for kind, stream in material.streams.items():
        calibration = material.shuffled if kind == "shuffled calibration" else material.calibration
        model = models[id(calibration)]
        runs[kind] = {name: run(methods[name](model, calibration, seed), stream) for name in names}
    return runs


def tune_seed(task: tuple[str, int], cache: Path) -> dict[str, list[float]]:
    """Mean accuracy over `TUNING_KINDS` of every candidate of every peer."""
    source, seed = task
    material = build(source, seed, cache)
    model = fit(material.calibration, seed)

    def accuracy(peer: type[Frozen], settings: dict[str, float]) -> float:
        peers = (peer(model, material.calibration, seed, settings) for _ in TUNING_KINDS)
        streams = (material.streams[kind] for kind in TUNING_KINDS)
        return float(np.mean([run(*pair).accuracy for pair in zip(peers, streams, strict=True)]))

    return {name: [accuracy(peer, settings) for settings in peer.CANDIDATES] for name, peer in PEERS.items()}


def show(source: str, seeds: Sequence[int], runs: Mapping[int, Runs], names: Sequence[str]) -> dict[str, object]:
    """Print the table of a source; returns its figures."""
    title = (
        f"{source}: accuracy of the frozen model (%), and of others less that, in percentage points: mean "
        f"(worst of {len(seeds)} seeds), runs that collapsed"
    )
    table = Table(title=title, title_justify="left")
    for header in ("", *KINDS, "collapses", "CPU ms"):
        table.add_column(header, justify="right" if header else "left")
    figures: dict[str, object] = {"seeds": list(seeds)}
    for name in names:
        cells, collapses, kinds = [], 0, {}
        for kind in KINDS:
            mine, frozen = ([runs[seed][kind][of] for seed in seeds] for of in (name, "frozen"))
            less = [m.accuracy - f.accuracy for m, f in zip(mine, frozen, strict=True)]
            fallen = sum(m.end < f.end - COLLAPSE for m, f in zip(mine, frozen, strict=True))
            collapses += fallen
            accuracy = [m.accuracy for m in mine]
            text = f"{np.mean(less):+.1f} ({min(less):+.1f})" + (f" {fallen}!" if fallen else "")
            cells.append(f"{np.mean(accuracy):.1f} ({min(accuracy):.1f})" if name == "frozen" else text)
            kinds[kind] = {
                "accuracy": [round(x, 2) for x in accuracy],
                "less_frozen": [round(x, 2) for x in less],
                "collapses": fallen,
            }
        cost_ms = float(np.mean([run.cost_ms for seed in seeds for kind in KINDS for run in [runs[seed][kind][name]]]))
        table.add_row(name, *cells, str(collapses), f"{cost_ms:.1f}")
        figures[name] = {"kinds": kinds, "collapses": collapses, "ms_a_window": round(cost_ms, 2)}
    Console(width=210).print(table)
    return figures


def draw(source: str, runs: Mapping[int, Runs], names: Sequence[str], path: Path) -> None:
    """Accuracy over time of ours, the frozen model and two peers; the mean over seeds in a moving window."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("no figure: matplotlib is not installed (the extra `study` has it)")
        return
    mpl.use("agg")
    import matplotlib.pyplot as plt

    ours = next((name for name in DRAWN if name in names), None)
    # Okabe-Ito: told apart by colour-blind eyes, and in grey.
    colours = {
        name: c
        for name, c in ((ours, "#0072B2"), ("frozen", "#666666"), (USUAL_TENT, "#D55E00"), ("AdaBN-style", "#CC79A7"))
        if name in names
    }
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(10, 3.4), sharey=True, layout="constrained")
    for axis, kind in zip(axes, SHOWN, strict=True):
        for name, colour in colours.items():
            right = np.mean([seed[kind][name].right for seed in runs.values()], axis=0)
            moving = np.convolve(right, np.ones(MOVING) / MOVING, mode="valid")
            axis.plot(np.arange(len(moving)) + MOVING, 100 * moving, color=colour, label=name, lw=1.6)
        axis.set(title=f"{source}: {kind}", xlabel="windows since the start", ylim=(0, 100))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set(ylabel=f"accuracy over the last {MOVING} windows (%)")
    axes[0].legend(loc="lower left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def tune(results: Sequence[dict[str, list[float]]]) -> None:
    """Print what `CHOSEN` of each peer was chosen by."""
    table = Table(title=f"mean accuracy (%) over {', '.join(TUNING_KINDS)}, seeds {TUNING_SEEDS}", title_justify="left")
    for header in ("", "candidate", "accuracy", "best", "chosen"):
        table.add_column(header)
    for name, peer in PEERS.items():
        means = np.mean([result[name] for result in results], axis=0)
        for i, (settings, mean) in enumerate(zip(peer.CANDIDATES, means, strict=True)):
            table.add_row(name, str(settings), f"{mean:.2f}", "*" * int(i == means.argmax()), "*" * (i == peer.CHOSEN))
    Console(width=120).print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=10, help="the first seed; 0 to 3 were looked at while tuning")
    parser.add_argument("--sources", default=",".join(SOURCES))
    parser.add_argument("--methods", help="comma-separated; the frozen model always runs")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, help="folder for features; empty it when these have changed")
    parser.add_argument("--quick", action="store_true", help="two seeds, noneeg only, nothing saved")
    parser.add_argument("--ablation", action="store_true", help="our own with each guard left out, instead of peers")
    parser.add_argument("--tune", action="store_true", help="only print how the peers' settings were chosen")
    options = parser.parse_args()
    methods = ABLATIONS if options.ablation else METHODS
    chosen = list(methods) if options.methods is None else options.methods.split(",")
    if unknown := set(chosen) - set(methods):
        parser.error(f"methods {', '.join(sorted(unknown))} are unknown; there are {', '.join(methods)}")
    names = ["frozen", *(name for name in methods if name in chosen and name != "frozen")]
    seeds = (
        TUNING_SEEDS if options.tune else range(options.first, options.first + (2 if options.quick else options.seeds))
    )
    sources = ["noneeg"] if options.quick else options.sources.split(",")
    tasks = [(source, seed) for source in sources for seed in seeds]
    with tempfile.TemporaryDirectory() as temporary:
        cache = options.cache or Path(temporary)
        cache.mkdir(parents=True, exist_ok=True)
        work = (
            partial(tune_seed, cache=cache)
            if options.tune
            else partial(one_seed, names=names, cache=cache, ablation=options.ablation)
        )
        if options.jobs > 1:
            with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
                results = list(track(pool.map(work, tasks), total=len(tasks)))
        else:
            results = [work(task) for task in track(tasks)]
    if options.tune:
        tune(results)
        return
    figures, by_task = {}, dict(zip(tasks, results, strict=True))
    for source in sources:
        runs = {seed: by_task[source, seed] for seed in seeds}
        figures[source] = show(source, list(seeds), runs, names)
    if not options.quick:
        save("adaptation_ablation" if options.ablation else "adaptation_safety", figures)
    if not options.quick and not options.ablation:
        draw(sources[0], {seed: by_task[sources[0], seed] for seed in seeds}, names, IMAGE)


if __name__ == "__main__":
    main()
