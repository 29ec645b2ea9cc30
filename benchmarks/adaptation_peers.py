"""Peers of adaptation without labels, on the same network: each predicts a window, and only then learns from it.

All work on the classifier of a trained SiMVAE behind its front end; missing views are filled by E[psi]. That network
has no batch normalisation, so where a paper adapts the affine parameters of such layers, a peer adapts a scale and a
shift of the classifier's inputs and of the sums that enter each of its hidden layers; they start as the identity.

`CANDIDATES` holds three settings a method, learning rates around those of the papers. Which one is used was chosen on
seeds 1000 and 1001 (the tables use others) by the mean accuracy over both sources on the kinds of stream that test-time
adaptation is made for, ``slow drift``, ``sudden shift`` and ``strong drift``: ``adaptation_safety.py --tune``.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from adaptation_streams import Calibration
from numpy.typing import NDArray
from torch import Tensor

from rtemo.model.networks import ACTIVATIONS
from rtemo.model.trained import TrainedModel

Floats = NDArray[np.float64]


def entropy(p: Tensor) -> Tensor:
    """Of each row, in nats."""
    return -(p * p.clamp_min(1e-8).log()).sum(-1)


class Frozen:
    """The calibrated model as it is; base of all others, which override `inputs` and `learn`.

    Parameters
    ----------
    trained : TrainedModel
        Left as it is.
    calibration : Calibration
        What it was trained on.
    seed : int
        Of whatever is random.
    settings : dict, optional
        One of `CANDIDATES`; the chosen one where not given.
    """

    CANDIDATES: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    CHOSEN: ClassVar[int] = 0

    def __init__(
        self, trained: TrainedModel, calibration: Calibration, seed: int, settings: dict[str, Any] | None = None
    ) -> None:
        self.settings = self.CANDIDATES[self.CHOSEN] if settings is None else settings
        self.model = copy.deepcopy(trained.model).requires_grad_(False).eval()
        self.net, self.front_end, self.views = self.model.classifier, trained.front_end, trained.views
        self.temperature, self.prior, self.classes = trained.temperature, trained.prior, len(trained.class_names)
        self.activation = ACTIVATIONS[trained.settings.activation]
        self.generator = torch.Generator().manual_seed(seed)
        pairs = ([torch.ones(n), torch.zeros(n)] for n in (sum(self.model.dims), *trained.settings.hidden))
        self.affine = [parameter for pair in pairs for parameter in pair]
        self.affine_start = [parameter.clone() for parameter in self.affine]
        self.start(calibration)

    def start(self, calibration: Calibration) -> None:
        """Before the first window."""

    def inputs(self, x: Floats, seen: NDArray[np.bool_]) -> Floats:
        """Inputs (D,), as the network is to see them; 0 in missing views, which `fill` sees to."""
        return x

    def learn(self, x: Tensor, p: Tensor) -> None:
        """From the filled inputs (1, D) of a window that was predicted as p (1, K)."""

    def predict(self, views: Mapping[str, Floats]) -> Floats:
        """Probabilities (K,) of one window; a view that is missing is NaN throughout."""
        rows = [np.asarray(views[view], dtype=np.float64)[None] for view in self.views]
        seen = np.array([bool(np.isfinite(row).all()) for row in rows])
        if not seen.any():
            return np.asarray(self.prior)
        x = self.front_end.shown(rows, seen[None])[0]
        own = sum(self.model.dims)
        x = np.concatenate([self.inputs(x[:own], seen), x[own:]])
        with torch.no_grad():
            filled = self.fill(torch.from_numpy(x[None]).float(), torch.from_numpy(seen[None]))
            p = self.probabilities(filled)
        self.learn(filled, p)
        return p[0].double().numpy()

    def calibrated(self, calibration: Calibration) -> Tensor:
        """Filled inputs (N, D) of the calibration windows that have a view."""
        x = self.front_end.inputs([calibration.views[view] for view in self.views])
        seen = np.stack([np.isfinite(calibration.views[view]).all(axis=1) for view in self.views], axis=1)
        rows = seen.any(axis=1)
        with torch.no_grad():
            x = torch.from_numpy(np.nan_to_num(x)[rows]).float()
            return self.fill(x, torch.from_numpy(seen[rows]))

    def fill(self, x: Tensor, seen: Tensor) -> Tensor:
        """Inputs (windows, D) of all that the model is given, missing views at their expectation."""
        return x[:, : sum(self.model.dims)] if bool(seen.all()) else self.model.fill(x, seen)

    def logits(self, x: Tensor, affine: list[Tensor] | None = None) -> Tensor:
        """Logits (windows, K) over the temperature."""
        net, (g0, b0, g1, b1, g2, b2) = self.net, self.affine if affine is None else affine
        x = x * g0 + b0
        hidden = self.activation(torch.addmm(net.first_bias, x, net.first) * g1 + b1)
        hidden = self.activation(torch.addmm(net.second_bias, hidden, net.second) * g2 + b2)
        logits = torch.addmm(net.head_bias, hidden, net.head)
        return (logits if net.skip is None else torch.addmm(logits, x, net.skip)) / self.temperature

    def probabilities(self, x: Tensor) -> Tensor:
        """Of the classes, (windows, K)."""
        return torch.softmax(self.logits(x), dim=-1)

    def optimise(self, parameters: list[Tensor]) -> None:
        """Adam over these."""
        self.parameters = [parameter.requires_grad_() for parameter in parameters]
        self.optimiser = torch.optim.Adam(self.parameters, lr=self.settings["lr"], fused=True)

    def step(self, loss: Tensor) -> None:
        """One step down."""
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


class Tent(Frozen):
    """Tent: entropy of the predictions, over affine parameters.

    Wang, Shelhamer, Liu, Olshausen, Darrell: "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021.
    Adam. A batch is the last 32 windows, with a step every second window: streams are hundreds of windows long, not
    tens of thousands. Statistics of the inputs are left alone (`AdaBn` is what adapts these).
    """

    CANDIDATES = ({"lr": 3e-4}, {"lr": 1e-3}, {"lr": 3e-3})
    CHOSEN = 0
    BATCH, EVERY = 32, 2

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        self.recent: deque[Tensor] = deque(maxlen=self.BATCH)
        self.count = 0
        self.optimise(self.affine)

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        self.recent.append(x)
        self.count += 1
        if len(self.recent) >= self.BATCH // 2 and self.count % self.EVERY == 0:
            self.update(torch.cat(list(self.recent)))

    def update(self, x: Tensor) -> None:
        """Learn from a batch."""
        self.step(entropy(self.probabilities(x)).mean())


class Eata(Tent):
    """EATA-like: Tent on windows that are reliable and not redundant, weighted, with a Fisher regulariser.

    Niu, Wu, Zhang, Chen, Zheng, Zhao, Tan: "Efficient Test-Time Model Adaptation without Forgetting", ICML 2022.
    Reliable: entropy below 0.4 ln K, weighted by exp(0.4 ln K - entropy). Not redundant: cosine to the running mean
    (0.9) of accepted predictions below 0.8; the 0.05 of a thousand classes would accept nothing with three. A step on
    the last 32 accepted windows whenever one is accepted. Fisher information of the affine parameters from the inputs
    and predicted labels of calibration, times 50 (default of a function in the authors' code); Adam for SGD.
    """

    CANDIDATES = ({"lr": 3e-4, "fisher": 50.0}, {"lr": 1e-3, "fisher": 50.0}, {"lr": 3e-3, "fisher": 50.0})
    CHOSEN = 0
    COSINE = 0.8

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        super().start(calibration)
        self.margin, self.mean = 0.4 * math.log(self.classes), None
        self.fisher = [torch.zeros_like(parameter) for parameter in self.affine]
        rows = torch.randperm(len(x := self.calibrated(calibration)), generator=self.generator)[:200]
        for row in x[rows].split(1):
            logits = self.logits(row)
            loss = torch.nn.functional.cross_entropy(logits, logits.argmax(-1))
            for total, gradient in zip(self.fisher, torch.autograd.grad(loss, self.affine), strict=True):
                total += gradient**2 / len(rows)

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        mean = self.mean
        redundant = mean is not None and torch.cosine_similarity(mean, p).item() >= self.COSINE
        if entropy(p).item() < self.margin and not redundant:
            self.mean = p if mean is None else 0.9 * mean + 0.1 * p
            self.recent.append(x)
            self.update(torch.cat(list(self.recent)))

    def update(self, x: Tensor) -> None:
        """See `Tent`."""
        spread = entropy(self.probabilities(x))
        weight = torch.exp(self.margin - spread.detach()) * (spread.detach() < self.margin)
        held = sum(
            (f * (now - was) ** 2).sum()
            for f, now, was in zip(self.fisher, self.affine, self.affine_start, strict=True)
        )
        self.step((weight * spread).mean() + self.settings["fisher"] * held)


class Rotta(Frozen):
    """RoTTA-like: category-balanced memory with timeliness and uncertainty, teacher, robust input statistics.

    Yuan, Xie, Li: "Robust Test-Time Adaptation in Dynamic Scenarios", CVPR 2023. Memory of 64 windows, its scores and
    the weights by age as published; inputs are normalised by statistics that follow those of the memory with 0.05 a
    step and start as calibration's; the student sees inputs with noise of 0.1 to 0.3 sd, the teacher predicts. A step
    every 8 windows and a teacher that follows with 0.05 (published: 64 and 0.001), as streams are short.
    """

    CANDIDATES = ({"lr": 3e-4}, {"lr": 1e-3}, {"lr": 3e-3})
    CHOSEN = 1
    SIZE, EVERY, FOLLOW, ALPHA = 64, 8, 0.05, 0.05

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        x = self.calibrated(calibration)
        self.origin = x.mean(0), x.std(0).clamp_min(1e-3)
        self.mean, self.variance = x.mean(0), x.var(0).clamp_min(1e-6)
        self.memory: list[dict[str, Any]] = []  # x, label, age, doubt
        self.count = 0
        self.student = [parameter.clone() for parameter in self.affine]
        self.optimise(self.student)

    def normalised(self, x: Tensor) -> Tensor:
        """Inputs moved from the memory's statistics to calibration's."""
        mean, std = self.origin
        return ((x - self.mean) / self.variance.sqrt() * std + mean).clamp(-8, 8)

    def probabilities(self, x: Tensor) -> Tensor:
        """See `Frozen`: by the teacher."""
        return torch.softmax(self.logits(self.normalised(x)), dim=-1)

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        self.keep({"x": x, "label": int(p.argmax()), "age": 0, "doubt": entropy(p).item() / math.log(self.classes)})
        self.count += 1
        if self.count % self.EVERY == 0 and len(self.memory) > 1:
            self.update()

    def keep(self, new: dict[str, Any]) -> None:
        """Put a window into the memory for the worst of its class, or of the largest class, unless it is worse."""

        def badness(item: dict[str, Any]) -> float:
            return 1 / (1 + math.exp(-item["age"] / self.SIZE)) + item["doubt"]

        counts = np.bincount([item["label"] for item in self.memory], minlength=self.classes)
        crowded = counts[new["label"]] >= self.SIZE / self.classes
        if not crowded and len(self.memory) < self.SIZE:
            self.memory.append(new)
        else:
            among = {new["label"]} if crowded else set(np.flatnonzero(counts == counts.max()).tolist())
            worst = max((i for i in self.memory if i["label"] in among), key=badness)
            if badness(worst) > badness(new):
                self.memory = [item for item in self.memory if item is not worst] + [new]
        for item in self.memory:
            item["age"] += 1

    def update(self) -> None:
        """Statistics, student, teacher, in this order."""
        x = torch.cat([item["x"] for item in self.memory])
        self.mean = torch.lerp(self.mean, x.mean(0), self.ALPHA)
        self.variance = torch.lerp(self.variance, x.var(0).clamp_min(1e-6), self.ALPHA)
        strength = 0.1 + 0.2 * torch.rand(len(x), 1, generator=self.generator)
        noise = strength * self.origin[1] * torch.randn(x.shape, generator=self.generator)
        with torch.no_grad():
            taught = self.probabilities(x)
        told = torch.log_softmax(self.logits(self.normalised(x) + noise, self.student), dim=-1)
        weight = torch.sigmoid(-torch.tensor([item["age"] / self.SIZE for item in self.memory]))
        self.step(-(weight * (taught * told).sum(-1)).mean())
        with torch.no_grad():
            for teacher, student in zip(self.affine, self.student, strict=True):
                teacher.lerp_(student, self.FOLLOW)


class TTime(Frozen):
    """T-TIME-like: incremental alignment, conditional entropy, adaptive marginal distribution; one model, no ensemble.

    Li, Wang, Luo, Ding, Wu: "T-TIME: Test-Time Information Maximization Ensemble for Plug-and-Play BCIs", IEEE
    Transactions on Biomedical Engineering 71(2), 2024. All weights of the classifier, Adam, a step a window on the last
    8, entropy at temperature 2, marginal over 4 + the number of confident (0.7) predictions of the class. Euclidean
    alignment of trials becomes re-whitening of each view's inputs by running mean and covariance, in which calibration
    counts as `prior` windows: a window has one sample, an EEG trial hundreds.
    """

    CANDIDATES = ({"lr": 1e-4, "prior": 64}, {"lr": 3e-4, "prior": 64}, {"lr": 1e-3, "prior": 64})
    CHOSEN = 0
    BATCH = 8

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        x = self.calibrated(calibration).double().numpy()
        self.moments = []
        for where in self.model.slices:
            covariance = np.cov(x[:, where], rowvar=False) + 1e-3 * np.eye(where.stop - where.start)
            values, vectors = np.linalg.eigh(covariance)
            root = (vectors * np.sqrt(values)) @ vectors.T
            self.moments.append([x[:, where].mean(axis=0), covariance, float(self.settings["prior"]), root])
        self.origin = [moments[0] for moments in self.moments]
        self.recent: deque[Tensor] = deque(maxlen=self.BATCH)
        self.confident = torch.zeros(self.classes)
        self.optimise(list(self.net.parameters()))

    def inputs(self, x: Floats, seen: NDArray[np.bool_]) -> Floats:
        """See `Frozen`."""
        x = x.copy()
        for view, where in enumerate(self.model.slices):
            if seen[view]:
                mean, covariance, count, root = self.moments[view]
                away = x[where] - mean
                count += 1
                mean = mean + away / count
                covariance = covariance + (np.outer(away, x[where] - mean) - covariance) / count
                self.moments[view] = [mean, covariance, count, root]
                values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
                white = vectors @ ((vectors.T @ (x[where] - mean)) / np.sqrt(np.maximum(values, 1e-4)))
                x[where] = np.clip(self.origin[view] + root @ white, -8, 8)
        return x

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        self.recent.append(x)
        if len(self.recent) < self.BATCH:
            return
        soft = torch.softmax(self.logits(torch.cat(list(self.recent))) / 2, dim=-1)
        share = soft.mean(0) / (4 + self.confident)
        self.step(entropy(soft).mean() - entropy(share / share.sum()))
        self.confident[p.argmax()] += float(p.max() > 0.7)


class SelfTraining(Tent):
    """Confident predictions as labels, all weights of the classifier.

    Lee: "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML 2013
    Workshop on Challenges in Representation Learning; here on the stream. Labels are those given when a window came,
    from 0.9 on; Adam on the last 32 of these.
    """

    CANDIDATES = ({"lr": 1e-4}, {"lr": 3e-4}, {"lr": 1e-3})
    CHOSEN = 1

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        super().start(calibration)
        self.labels: deque[int] = deque(maxlen=self.BATCH)
        self.optimise(list(self.net.parameters()))

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        if p.max() >= 0.9:
            self.labels.append(int(p.argmax()))
            super().learn(x, p)

    def update(self, x: Tensor) -> None:
        """See `Tent`."""
        self.step(torch.nn.functional.cross_entropy(self.logits(x), torch.tensor(list(self.labels))))


class AdaBn(Frozen):
    """Statistics of the last 600 windows for those of calibration, view by view; no gradients.

    Li, Wang, Shi, Hou, Liu: "Adaptive Batch Normalization for practical domain adaptation", Pattern Recognition 80,
    2018; calibration counts as `prior` windows as in Schneider, Rusak, Eck, Bringmann, Brendel, Bethge: "Improving
    robustness against common corruptions by covariate shift adaptation", NeurIPS 2020. A window counts in its own
    statistics.
    """

    CANDIDATES = ({"prior": 16}, {"prior": 64}, {"prior": 256})
    CHOSEN = 0
    WINDOW = 600

    def start(self, calibration: Calibration) -> None:
        """See `Frozen`."""
        x = self.calibrated(calibration).double().numpy()
        self.mean, self.second, self.std = x.mean(axis=0), (x**2).mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
        self.recent: list[deque[Floats]] = [deque() for _ in self.model.slices]
        self.sums = np.zeros((2, x.shape[1]))

    def inputs(self, x: Floats, seen: NDArray[np.bool_]) -> Floats:
        """See `Frozen`."""
        x, prior = x.copy(), self.settings["prior"]
        for view, where in enumerate(self.model.slices):
            if seen[view]:
                recent = self.recent[view]
                recent.append(x[where].copy())
                self.sums[:, where] += recent[-1], recent[-1] ** 2
                if len(recent) > self.WINDOW:
                    old = recent.popleft()
                    self.sums[:, where] -= old, old**2
                total = prior + len(recent)
                mean = (prior * self.mean[where] + self.sums[0, where]) / total
                second = (prior * self.second[where] + self.sums[1, where]) / total
                std = np.sqrt(np.maximum(second - mean**2, 1e-6))
                x[where] = np.clip((x[where] - mean) / std * self.std[where] + self.mean[where], -8, 8)
        return x


class PeriodicReset(Tent):
    """Tent that goes back to the calibrated weights every 60 windows.

    After Press, Schneider, Kümmerer, Bethge: "RDumb: A simple approach that questions our progress in continual
    test-time adaptation", NeurIPS 2023, which resets every 1000 steps.
    """

    PERIOD = 60

    def learn(self, x: Tensor, p: Tensor) -> None:
        """See `Frozen`."""
        super().learn(x, p)
        if self.count == self.PERIOD:
            self.recent.clear()
            self.count = 0
            self.affine = [parameter.clone() for parameter in self.affine_start]
            self.optimise(self.affine)


PEERS: dict[str, type[Frozen]] = {
    "frozen": Frozen,
    "TENT": Tent,
    "EATA-like": Eata,
    "RoTTA-like": Rotta,
    "T-TIME-like": TTime,
    "self-training": SelfTraining,
    "AdaBN-style": AdaBn,
    "periodic reset": PeriodicReset,
}
