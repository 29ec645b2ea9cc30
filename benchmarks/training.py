"""Training on 13,473 windows of 310 + 33 features, one thread: a step against its floor and against a naive step.

Run ``python benchmarks/training.py``. The *floor* is the time of the step's matrix products alone, forwards and
backwards. The *naive* step computes the same loss of the same parameters one class, one component and one view after
the other.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from prediction import VIEWS, simulated
from torch import Tensor
from torch.distributions import Independent, Normal

from rtemo.model.batches import Sampler
from rtemo.model.data import TrainingData
from rtemo.model.front_end import fit_front_end
from rtemo.model.networks import POSTERIOR_STD
from rtemo.model.objective import Batch, Noise, loss_terms
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.simvae import Simvae
from rtemo.model.train import Windows, draw_noise, flatten, train

WINDOWS = 13_473
CLASSES = 3
LABELLED = 0.1


def median_seconds(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each function, their calls interleaved so that a busy machine slows all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 3):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat >= 3:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def products(model: Simvae, batch: Batch) -> list[tuple[Tensor, Tensor, bool]]:
    """The matrix products of one step, as (left, right, whether the left side needs a gradient)."""
    rows, labelled, views = len(batch.x), len(batch.labels), model.views
    cases = labelled + model.classes * (rows - labelled)
    wide, narrow = model.settings.hidden
    latent, inputs = model.settings.latent, sum(model.dims)
    given = inputs + sum(model.beyond) + views
    shapes = [((rows, dim, wide), 0, False) for dim in model.dims]
    shapes += [((cases, wide, narrow), views, True), ((cases, narrow, 2 * latent), views, True)]
    shapes += [((views * cases, latent, views * narrow), 0, True), ((views * cases, narrow, wide), views, True)]
    shapes += [((views * cases, wide, head.shape[1]), 0, True) for head in model.decoders.head]
    shapes += [
        ((rows, given, wide), 0, False),
        ((rows, wide, narrow), 0, True),
        ((rows, narrow, 2 * inputs), 0, True),
    ]
    shapes += [((rows, given, inputs), 0, False)] if model.settings.imputer_skip else []
    shapes += [
        ((rows, inputs, wide), 0, False),
        ((rows, wide, narrow), 0, True),
        ((rows, narrow, model.classes), 0, True),
    ]
    shapes += [((rows, inputs, model.classes), 0, False)] if model.settings.classifier_skip else []
    device = batch.x.device
    made = []
    for (m, k, n), stack, needs in shapes:
        lead = (stack,) if stack else ()
        made.append((torch.randn(*lead, m, k, device=device), torch.randn(*lead, k, n, device=device), needs))
    return made


def floor(made: list[tuple[Tensor, Tensor, bool]]) -> None:
    """Forward, gradient of the weights, and gradient of the inputs where there is one."""
    for left, right, needs in made:
        out = left @ right
        _ = left.mT @ out
        if needs:
            _ = out @ right.mT


def naive_loss(model: Simvae, batch: Batch, noise: Noise, windows: int, weights: Tensor) -> Tensor:
    """The default loss of complete windows as one would write it down from the equations."""
    settings, count, labelled = model.settings, len(batch.x), len(batch.labels)
    encoders, decoders = model.encoders, model.decoders
    wide, narrow = settings.hidden
    low, high = (2 * math.log(std) for std in POSTERIOR_STD)
    lam = model.log_weights().exp()
    logits = model.classify(batch.x[:, : sum(model.dims)])

    def bound(rows: Tensor, label: int) -> Tensor:
        components = []
        for v, where in enumerate(model.slices):
            onehot = torch.nn.functional.one_hot(torch.full_like(rows, label), model.classes)
            inputs = torch.cat([batch.x[rows][:, where], onehot.to(batch.x.dtype)], dim=1)
            hidden = torch.relu(
                inputs @ torch.cat([encoders.first[v], encoders.first_label[:, v * wide : (v + 1) * wide]])
            )
            hidden = torch.relu(hidden @ encoders.second[v] + encoders.second_bias[v])
            mean, raw = (hidden @ encoders.head[v] + encoders.head_bias[v]).chunk(2, dim=1)
            middle, half = (low + high) / 2, (high - low) / 2
            components.append((mean, middle + half * torch.tanh((raw - middle) / half)))
        total = model.log_prior[label]
        for v, (mean, log_var) in enumerate(components):
            z = mean + torch.exp(0.5 * log_var) * noise.latent[rows]
            for w, where in enumerate(model.slices):
                block = slice(w * narrow, (w + 1) * narrow)
                hidden = torch.relu(z @ decoders.first[:, block] + decoders.first_label[label, block])
                hidden = torch.relu(hidden @ decoders.second[w] + decoders.second_bias[w])
                decoded = hidden @ decoders.head[w] + decoders.head_bias[w]
                std = torch.exp(0.5 * decoders.shared_log_var(w))
                total = total + lam[v] * Independent(Normal(decoded, std, validate_args=False), 1).log_prob(
                    batch.x[rows][:, where]
                )
            total = total - lam[v] * 0.5 * (math.log(2 * math.pi) + mean**2 + log_var.exp()).sum(1)
            total = total + lam[v] * 0.5 * (math.log(2 * math.pi * math.e) + log_var).sum(1)
            overlap = 0
            for k, (other, other_log_var) in enumerate(components):
                shared = (log_var.exp() + other_log_var.exp()) / 2
                distance = (mean - other) ** 2 / shared / 8 + (shared.log() - (log_var + other_log_var) / 2) / 2
                overlap = overlap + lam[k] * torch.exp(-distance.sum(1))
            total = total - lam[v] * torch.log(overlap)
        return total

    total = torch.zeros((), device=batch.x.device)
    for label in range(model.classes):
        total = total - bound((batch.labels == label).nonzero()[:, 0], label).sum() / count
    scaled = logits.detach() + model.tau * (logits - logits.detach())
    q = torch.softmax(scaled[labelled:], dim=1)
    rest = torch.arange(labelled, count, device=batch.x.device)
    for label in range(model.classes):
        share = q[:, label]
        total = total - (share * (bound(rest, label) - share.log())).sum() / count
    total = total + settings.c2 * torch.nn.functional.cross_entropy(logits[:labelled], batch.labels, weight=weights)
    for w, where in enumerate(model.slices):
        rows = (batch.observed[:, w] & ~batch.shown[:, w]).nonzero()[:, 0]
        psi = model.impute(batch.x[rows], batch.shown[rows])
        density = Independent(Normal(psi.mean[:, where], psi.std[:, where], validate_args=False), 1)
        total = total - settings.c1 * density.log_prob(batch.x[rows, where]).sum() / count
    total = total - (settings.a0 - 1) / windows * model.log_weights().sum()
    return total + settings.weight_decay / 2 * model.classifier.squared_weights()


def measure(data: TrainingData, settings: SimvaeSettings, device: torch.device, repeats: int) -> None:
    torch.manual_seed(0)
    front_end = fit_front_end(list(data.views.values()), settings)
    x = front_end.inputs(list(data.views.values())).astype(np.float32)
    available = np.ones((len(x), len(VIEWS)), dtype=bool)
    model = Simvae(front_end.dims, CLASSES, settings, beyond=front_end.dims_beyond).to(device)
    windows, sampler = Windows(x, available, data.labels, device), Sampler(data.labels, available, settings, 0)
    draw = next(iter(sampler.epoch(0)))
    batch, generator = windows.batch(draw, settings), torch.Generator().manual_seed(0)
    noise = draw_noise(len(batch.x), model, generator, device)
    flat = flatten(model)
    optimiser = torch.optim.Adam([flat], lr=1e-6, fused=True)
    weights = torch.ones(CLASSES, device=device)

    def loss() -> Tensor:
        return loss_terms(model, batch, noise, windows=WINDOWS, class_weights=weights).total

    def naive() -> Tensor:
        return naive_loss(model, batch, noise, WINDOWS, weights)

    difference = abs(float(loss().detach() / naive().detach()) - 1)
    assert difference < 1e-4, f"the naive loss differs by {difference:.1e}"

    def step(objective: Callable[[], Tensor], fresh: bool) -> None:
        nonlocal batch, noise
        if fresh:
            batch, noise = windows.batch(draw, settings), draw_noise(len(batch.x), model, generator, device)
        optimiser.zero_grad(set_to_none=False)
        total = objective()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(flat, settings.gradient_clip)
        if torch.isfinite(norm + total):
            optimiser.step()

    made = products(model, batch)
    times = median_seconds(
        {"step": lambda: step(loss, True), "floor": lambda: floor(made), "naive": lambda: step(naive, False)}, repeats
    )
    seconds, least, slow = times["step"], times["floor"], times["naive"]
    print(
        f"{device.type:5} {settings.front_end:9} {settings.batch_size:6} {seconds * 1e3:8.2f} {least * 1e3:9.2f}"
        f" {seconds / least:7.2f} {slow * 1e3:9.2f} {slow / seconds:7.1f} {seconds * sampler.batches:9.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = simulated(WINDOWS, CLASSES)
    labels = np.where(data.groups % round(1 / LABELLED) == 0, data.labels, -1)
    data = TrainingData(data.views, labels, np.where(labels >= 0, data.groups, -1), data.class_names)
    print(f"torch {torch.__version__}, one CPU thread, {WINDOWS} windows x {VIEWS}, {(labels >= 0).sum()} labelled")
    heads = [
        ("front end", "<9"),
        ("batch", ">6"),
        ("step ms", ">8"),
        ("floor ms", ">9"),
        ("ratio", ">7"),
        ("naive ms", ">9"),
    ]
    print("where", *(f"{name:{width}}" for name, width in [*heads, ("ratio", ">7"), ("s/epoch", ">9")]))
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    for device in devices:
        for front_end, batch_size in (("none", 64), ("none", 128), ("none", 256), ("pca", 128), ("both", 128)):
            # Both without what the naive step does not do: dropout, and classifying windows with hidden views.
            plain = {"front_end": front_end, "batch_size": batch_size, "dropout": 0.0, "c3": 0.0}
            settings = make_settings("default", plain)
            measure(data, settings, device, arguments.repeats)
    settings = make_settings("default", {"epochs": 2})
    reports = train(data, settings, device="cpu").history
    print(f"train(), default settings: {min(r.seconds for r in reports):.2f} s an epoch but for the head start of psi")


if __name__ == "__main__":
    main()
