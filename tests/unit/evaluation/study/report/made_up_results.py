"""Results of a study that never ran, of every experiment."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from rtemo.evaluation.study.task import Result, Setting, Task

VIEWS = ("bio", "eeg")
MADE = {"python": "3.12.1", "numpy": "2.1", "processor": "a processor", "device": "cpu"}
METHODS = ("svm", "lr", "net", "smvae", "simvae")
IMPUTERS = ("mean", "knn", "iterative", "soft-impute", "dccae", "corrnet", "conet", "simvae")


def result(
    experiment: str,
    method: str,
    seed: int,
    figures: Mapping[str, float | None] | None = None,
    *,
    dataset: str = "noneeg",
    digest: str = "d",
    arrays: Mapping[str, object] | None = None,
    error: str | None = None,
    seconds: float = 2.0,
    **settings: Setting,
) -> Result:
    """A result with settings as keywords."""
    task = Task(experiment, dataset, digest, method, {"tuning": 1, "steps": None, **settings}, seed)
    return Result(task, figures or {}, arrays or {}, seconds, MADE, error)


def scored(
    accuracy: float, seconds: float = 1.0, views: Iterable[str] = VIEWS, **more: float
) -> dict[str, float | None]:
    """Figures of a trained task whose accuracies follow from one number."""
    out: dict[str, float | None] = {"train_s": seconds, "test_s": 0.1, "classes": 4.0, "test": 200.0}
    lower = {f"without:{view}": 0.05 * (1 + place) for place, view in enumerate(views)}
    for part, conditions in (("transductive", {"complete": -0.01}), ("inductive", {"complete": 0.0, **lower})):
        for condition, less in conditions.items():
            value = accuracy - less
            for metric, figure in {
                "accuracy": value,
                "balanced_accuracy": value - 0.02,
                "macro_f1": value - 0.03,
                "ece": (1 - value) / 4,
                "nll": 2 * (1 - value),
                "windows": 200.0,
            }.items():
                out[f"{part}.{condition}.{metric}"] = figure
    return {**out, **more}


def chance(*what: object) -> float:
    """A number about 0 with SD 1 that is the same for the same words."""
    return float(np.random.default_rng(zlib.crc32(repr(what).encode())).normal())


def level(method: str, *what: object) -> float:
    """A plausible accuracy."""
    return 0.62 + 0.05 * chance(method) + 0.02 * chance(method, *what)


def study(
    seeds: int = 3, datasets: Iterable[str] = ("noneeg", "eegmat"), methods: Iterable[str] = METHODS
) -> list[Result]:
    """All experiments."""
    out: list[Result] = []
    for dataset in datasets:
        out += [
            *table1(dataset),
            *table2(seeds, dataset, methods),
            *figure2(seeds, dataset, methods),
            *figure3(seeds, dataset),
            *figure4(seeds, dataset),
            *figure5(dataset),
            *figure6(seeds, dataset),
            *missing(seeds, dataset),
            *calibration(seeds, dataset, methods),
            *adaptation(seeds, dataset),
            *contributions(seeds, dataset),
        ]
    return out


def table1(dataset: str = "seed", **figures: float | None) -> list[Result]:
    counts = {"windows": 22734.0, "training": 13473.0, "test": 9261.0, "subjects": 9.0, "sessions": 27.0}
    found = {**counts, "trials": 405.0, "classes": 3.0, "dims.eeg": 310.0, "dims.eye": 33.0}
    paper = {"paper.windows": 22734.0, "paper.training": 13473.0, "paper.test": None, "paper.dims.1": 310.0}
    return [Result(Task("table1", dataset, "d", "", {}, 0), {**found, **paper, **figures}, {}, 0.1, MADE)]


def table2(seeds: int = 3, dataset: str = "noneeg", methods: Iterable[str] = METHODS) -> list[Result]:
    labels = {"paper": ("1%", "2%", "3%"), "honest": ("1 trial", "2 trials", "3 trials", "all")}
    return [
        result(
            "table2",
            method,
            seed,
            scored(level(method, dataset, protocol, some, seed) + 0.03 * place, 0.02 + 3 * abs(chance(method))),
            dataset=dataset,
            protocol=protocol,
            labels=some,
        )
        for protocol, many in labels.items()
        for place, some in enumerate(many)
        for method in methods
        for seed in range(seeds)
    ]


def figure2(seeds: int = 3, dataset: str = "noneeg", methods: Iterable[str] = METHODS) -> list[Result]:
    out = []
    for seed in range(seeds):
        for protocol in ("paper", "honest"):
            common: dict[str, Setting] = {"protocol": protocol, "labels": "3%" if protocol == "paper" else "3 trials"}
            for method in methods:
                for share in (0.0, 0.25, 0.5, 0.75, 1.0):
                    found = scored(level(method, "a", share, seed, dataset) + 0.1 * share)
                    part = {"part": "a", "unlabelled_share": share, **common}
                    out.append(result("figure2", method, seed, found, dataset=dataset, **part))
            for method in ("smvae", "simvae"):
                said = {f"weight.{v}": 0.5 + 0.1 * (1 - 2 * n) for n, v in enumerate(VIEWS)}
                said |= {f"contribution.{v}": 0.2 + 0.1 * n + 0.02 * chance(seed, v) for n, v in enumerate(VIEWS)}
                found = scored(level(method, "b", seed), **said)
                out.append(result("figure2", method, seed, found, dataset=dataset, part="b", **common))
            for method in ("lr", "smvae", "simvae"):
                for place, views in enumerate((*VIEWS, "both")):
                    found = scored(level(method, "c", views, seed) + 0.05 * place)
                    out.append(result("figure2", method, seed, found, dataset=dataset, part="c", views=views, **common))
    return out


def figure3(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    pairs = [("simvae", "none"), ("smvae", "full-data"), ("smvae", "partial-data"), ("lr", "iterative")]
    pairs += [("smvae", name) for name in IMPUTERS if name != "simvae"]
    out = []
    for seed in range(seeds):
        for protocol, labels in (("paper", "3%"), ("honest", "3 trials")):
            for rate in (0.1, 0.3, 0.5, 0.7, 0.9):
                for method, imputer in pairs:
                    slope = {"full-data": 0.0, "partial-data": 0.4, "none": 0.05}.get(imputer, 0.1)
                    found = scored(
                        0.75 - slope * rate + 0.03 * chance(imputer, method) + 0.01 * chance(imputer, rate, seed)
                    )
                    settings = {"protocol": protocol, "labels": labels, "rate": rate, "missing_view": "bio"}
                    out.append(result("figure3", method, seed, found, dataset=dataset, imputer=imputer, **settings))
    return out


def figure4(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    out = []
    for seed in range(seeds):
        for protocol in ("paper", "honest"):
            for rate in (0.1, 0.5, 0.9):
                for imputer in IMPUTERS:
                    error = 0.8 + 0.1 * chance(imputer) + 0.1 * rate + 0.01 * chance(imputer, rate, seed)
                    found = {"nmse": error, "r2": 1 - error**2 if imputer != "dccae" else -30.0}
                    settings = {"protocol": protocol, "labels": "all", "rate": rate, "missing_view": "bio"}
                    out.append(result("figure4", imputer, seed, found, dataset=dataset, **settings))
    return out


def figure5(dataset: str = "noneeg") -> list[Result]:
    rng = np.random.default_rng(1)
    original = np.cumsum(rng.normal(size=(40, 20)), axis=1) / 2
    out = []
    for place, imputer in enumerate(IMPUTERS):
        recovered = original * 0.7 + 0.15 * place * rng.normal(size=original.shape)
        arrays = {"original": original.tolist(), f"recovered.{imputer}": recovered.tolist()}
        settings = {"protocol": "honest", "labels": "all", "rate": 0.5, "missing_view": "bio"}
        figures = {"nmse": 0.5 + 0.1 * place, "r2": 0.6 - 0.1 * place}
        out.append(result("figure5", imputer, 0, figures, arrays=arrays, dataset=dataset, **settings))
    return out


def figure6(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    return [
        result(
            "figure6",
            "simvae",
            seed,
            scored(0.6 + 0.05 * c2 - 0.02 * c1 + 0.01 * chance(seed, c1, c2)),
            dataset=dataset,
            protocol=protocol,
            labels="3%" if protocol == "paper" else "3 trials",
            c1=c1,
            c2=c2,
        )
        for seed in range(seeds)
        for protocol in ("paper", "honest")
        for c1 in (0.1, 0.5, 1.0)
        for c2 in (0.1, 0.5, 1.0)
    ]


def missing(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    rows: list[dict[str, Setting]] = []
    for method in ("simvae", "smvae"):
        rows += [{"method": method, "imputer": "none", "entropy": e} for e in ("bhattacharyya", "jensen")]
    rows += [{"method": "smvae", "imputer": name} for name in IMPUTERS if name != "simvae"]
    rows += [{"method": "lr", "imputer": "mean"}, {"method": "net", "imputer": "iterative"}]
    rows += [{"method": method, "views": view} for method in ("lr", "simvae") for view in VIEWS]
    out = []
    for seed in range(seeds):
        for rate in (0.0, 0.5):
            for row in rows:
                settings = {"protocol": "honest", "labels": "all", "rate": rate, "missing_view": "either", **row}
                method = str(settings.pop("method"))
                found = scored(level(str(row), rate, seed), views=() if "views" in row else VIEWS)
                out.append(result("missing-test", method, seed, found, dataset=dataset, **settings))
    return out


def calibration(seeds: int = 3, dataset: str = "noneeg", methods: Iterable[str] = METHODS) -> list[Result]:
    out = []
    for seed in range(seeds):
        for labels in ("3 trials", "all"):
            for method in methods:
                middle = (np.arange(15) + 0.5) / 15
                share = np.where(middle > 0.25, np.exp(3 * middle), 0.0)
                right = np.clip(middle - 0.15 * abs(chance(method)) + 0.03 * chance(method, seed), 0, 1)
                empty = share == 0
                arrays = {
                    "reliability.confidence": [None if e else c for e, c in zip(empty, middle.tolist(), strict=True)],
                    "reliability.accuracy": [None if e else c for e, c in zip(empty, right.tolist(), strict=True)],
                    "reliability.share": (share / share.sum()).tolist(),
                }
                found = scored(level(method, seed, labels))
                settings = {"protocol": "honest", "labels": labels}
                out.append(result("calibration", method, seed, found, arrays=arrays, dataset=dataset, **settings))
    return out


def adaptation(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    out = []
    for seed in range(seeds):
        for mode, gain in (("frozen", 0.0), ("running-z", -0.1), ("recentre", 0.04), ("guarded", 0.06)):
            found: dict[str, float | None] = {
                f"session.{k}.balanced_accuracy": 0.7 - 0.02 * k + gain * k / 6 + 0.02 * chance(seed, k, mode)
                for k in range(8)
            }
            found["mean.balanced_accuracy"] = float(np.mean([v for v in found.values() if v is not None]))
            out.append(result("adaptation", "simvae", seed, found, dataset=dataset, mode=mode))
    return out


def contributions(seeds: int = 3, dataset: str = "noneeg") -> list[Result]:
    out = []
    for seed in range(seeds):
        for method in ("smvae", "simvae"):
            said = {}
            for place, view in enumerate(VIEWS):
                said[f"contribution.{view}"] = 0.1 + 0.2 * place + 0.05 * chance(seed, view, method)
                said[f"permutation.{view}"] = 0.05 + 0.2 * place + 0.05 * chance(view, seed, method)
                said[f"weight.{view}"] = 0.55 - 0.1 * place
            found = scored(level(method, "x", seed), **said)
            out.append(result("contributions", method, seed, found, dataset=dataset, protocol="honest", labels="all"))
    return out
