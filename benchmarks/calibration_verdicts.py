"""Verdicts on real recordings, with true and with random labels: `python benchmarks/calibration_verdicts.py`.

PhysioNet's "Non-EEG Dataset" (four states, five participants joined) and "EEG During Mental Arithmetic Tasks" (rest
against arithmetic, eight participants joined), found through RTEMO_DATA. One participant of either has a single trial
of some label, from which nothing can be proven. Random labels are dealt out to whole trials; they must get "do not
use". The last line repeats that with a plain training (no choice of settings, no learning curve), so that the share of
false verdicts can be counted. Times are of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

from calibration.training.crossval import cross_validate
from calibration.training.fitting import AS_CONFIGURED, Candidate
from calibration.training.judging import judge
from calibration.training.report import write_report
from calibration.training.session import train_session
from calibration.training.verdict import verdict
from rtemo.config import Configuration, load_configuration
from rtemo.extraction import Extraction, extract, join
from rtemo.labels import events_path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RTEMO_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "calibration_verdicts.json"
EEGMAT = ("02", "03", "04", "05", "06", "07", "08", "09")
SETS = {
    "noneeg": ("noneeg.toml", [DATA / "noneeg_xdf" / f"noneeg_S{s:02d}.xdf" for s in range(1, 6)]),
    "eegmat": ("eegmat.toml", [DATA / "eegmat" / f"Subject{s}_{k}.edf" for s in EEGMAT for k in (1, 2)]),
}


def shuffled(extractions: Sequence[Extraction], seed: int) -> list[Extraction]:
    """The same recordings, the labels of all trials shuffled."""
    rng = np.random.default_rng(seed)
    trials = [
        (i, int(n), str(e.table.label[e.table.trial == n][0]))
        for i, e in enumerate(extractions)
        for n in np.unique(e.table.trial[e.table.trial >= 0])
    ]
    labels = rng.permutation([label for _, _, label in trials])
    new = {(i, n): str(label) for (i, n, _), label in zip(trials, labels, strict=True)}
    out = []
    for i, extraction in enumerate(extractions):
        table = extraction.table
        label = np.array([new.get((i, n), "") for n in table.trial.tolist()], dtype=np.str_)
        out.append(replace(extraction, table=replace(table, label=label)))
    return out


def with_labels(extraction: Extraction, folder: Path) -> Path:
    """A recording beside an events file that holds the labels of an extraction; the data are linked, not copied."""
    table = extraction.table
    source = Path(table.recordings[0])
    link = folder / source.name
    link.symlink_to(source)
    first_s = float(FIRST_S[source])
    lines = ["onset\tduration\ttrial_type"]
    for number in np.unique(table.trial[table.trial >= 0]):
        rows = table.trial == number
        start_s, stop_s = table.start_s[rows].min(), table.stop_s[rows].max()
        lines.append(f"{start_s - first_s:.6f}\t{stop_s - start_s:.6f}\t{table.label[rows][0]}")
    events_path(link).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return link


FIRST_S: dict[Path, float] = {}
"""When the first sample of a recording is, from which events count."""


def note_beginnings(paths: Sequence[Path]) -> None:
    from rtemo.sources import open_recording
    from rtemo.types import Chunk

    for path in paths:
        source = open_recording(path)
        try:
            stamps = [i.stamps_s[0] for i in source if isinstance(i, Chunk) and len(i.stamps_s)]
        finally:
            source.close()
        FIRST_S[path] = float(min(stamps))


def told(name: str, labels: str, paths: Sequence[Path], config: Configuration, reports: Path | None) -> dict:
    began, cpu = time.perf_counter(), time.process_time()
    session = train_session(paths, config)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    figures = session.judged.figures
    found = figures.balanced_accuracy
    print(
        f"{name}, {labels} labels: {session.verdict.word}; balanced accuracy {found.value:.3f} "
        f"({found.low:.3f} to {found.high:.3f}), chance {figures.chance:.2f}, p {figures.p_shuffled:.3f}, "
        f"ECE {figures.calibration_error:.3f}; {wall_s:.0f} s ({cpu_s:.0f} s of one CPU)",
        flush=True,
    )
    for reason in session.verdict.reasons:
        print(f"  {reason}")
    print(f"  {session.curve.sentence}")
    if reports is not None:
        reports.mkdir(parents=True, exist_ok=True)
        write_report(reports / f"{name}_{labels}.html", session, title=f"{name}, {labels} labels")
    kept = session.to_dict()
    return {key: kept[key] for key in ("verdict", "reasons", "trials", "chance", "balanced_accuracy", "accuracy",
            "trials_right", "p_shuffled", "p_trials", "ece", "folds", "first_bundle")} | {
        "would_help": session.curve.would_help, "windows": len(session.crossval.truth),
        "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1)}  # fmt: skip


def false_verdicts(extractions: Sequence[Extraction], config: Configuration, repeats: int, steps: int) -> dict:
    """Verdicts on random labels, by a plain training."""
    model = config.model.model_copy(update={"settings": {**config.model.settings, "steps": steps}})
    plain = config.model_copy(update={"model": model})
    words: Counter[str] = Counter()
    ps = []
    for seed in range(repeats):
        mixed = shuffled(extractions, 1000 + seed)
        found = cross_validate(plain, mixed, seed=seed, options=[Candidate(AS_CONFIGURED)], fractions=())
        judged = judge(plain, join([e.table for e in mixed]), found)
        words[verdict(judged.figures).word] += 1
        ps.append(judged.figures.p_shuffled)
    print(
        f"  {repeats} times random labels: {dict(words)}, p from {min(ps):.3f}, median {np.median(ps):.2f}", flush=True
    )
    return {"repeats": repeats, "steps": steps, "verdicts": dict(words), "p": [round(p, 3) for p in ps]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--repeats", type=int, default=20, help="random labels with a plain training")
    parser.add_argument("--steps", type=int, default=40, help="of the plain training")
    parser.add_argument("--reports", type=Path, help="folder for the HTML reports")
    options = parser.parse_args()
    results: dict[str, object] = {}
    if RESULTS.is_file():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results["machine"] = f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs"
    for name in options.sets:
        file, paths = SETS[name]
        config = load_configuration(ROOT / "configs" / file)
        extractions = [extract(path, config) for path in paths]
        note_beginnings(paths)
        kept = {"true": told(name, "true", paths, config, options.reports)}
        with tempfile.TemporaryDirectory() as folder:
            mixed = [with_labels(extraction, Path(folder)) for extraction in shuffled(extractions, 0)]
            kept["random"] = told(name, "random", mixed, config, options.reports)
        if options.repeats:
            kept["random, plain"] = false_verdicts(extractions, config, options.repeats, options.steps)
        results[name] = kept
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
