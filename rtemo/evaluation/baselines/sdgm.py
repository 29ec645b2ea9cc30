"""A skip deep generative model (Maaløe et al. 2016, "Auxiliary deep generative models"), views side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtemo.evaluation.baselines.base import UNLABELLED, Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.networks import (
    BATCH_SIZE,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    STEPS,
    Batch,
    CaseMlp,
    Plan,
    mlp,
    refuse_missing,
    seeded,
    tensor,
    train_net,
)
from rtemo.model.distributions import bound_log_var, normal_entropy, normal_log_prob, standard_cross_entropy
from rtemo.model.networks import POSTERIOR_STD, STD_MAX, Cases, Normal
from rtemo.model.objective import all_cases
from rtemo.model.settings import make_settings
from rtemo.model.train import class_weights

DECODER_STD = (0.1, STD_MAX)
HEAD_GAIN = 0.5
LOGIT_GAIN = 0.2


class SkipModel(nn.Module):
    """What training and prediction need of a model with an auxiliary variable a.

    Parameters
    ----------
    classes, latent : int
        K, and the size of z.
    auxiliary : int
        The size of a, of all views together.
    """

    def __init__(self, classes: int, latent: int, auxiliary: int) -> None:
        super().__init__()
        self.classes, self.latent, self.auxiliary = classes, latent, auxiliary

    def infer(self, x: Tensor) -> Normal:
        """q(a | x), (windows, auxiliary)."""
        raise NotImplementedError

    def classify(self, x: Tensor, a: Tensor) -> Tensor:
        """Logits of q(y | a, x), (windows, K)."""
        raise NotImplementedError

    def case_bound(self, x: Tensor, a: Tensor, cases: Cases, noise: Tensor) -> Tensor:
        """E(x, a, y) of each case (see `Sdgm`), (cases,); `noise`, (windows, latent), is standard normal."""
        raise NotImplementedError


def gaussian(raw: Tensor, std: tuple[float, float]) -> Normal:
    """A diagonal Gaussian from a net's outputs (..., 2 d), its standard deviation within bounds."""
    mean, log_var = raw.chunk(2, dim=-1)
    return Normal(mean, bound_log_var(log_var, *std))


class SkipNet(SkipModel):
    """The distributions of SDGM for one view.

    Parameters
    ----------
    dim, classes : int
    hidden : sequence of int
        Layers from a view to its variables; back, in reverse.
    latent, auxiliary : int
        Sizes of z and a.
    generator : torch.Generator
        Of the weights.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        hidden: Sequence[int],
        latent: int,
        auxiliary: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(classes, latent, auxiliary)
        back = list(reversed(hidden))
        self.q_a = mlp([dim, *hidden, 2 * auxiliary], generator, gain=HEAD_GAIN)
        self.q_y = mlp([auxiliary + dim, *hidden, classes], generator, gain=LOGIT_GAIN)
        self.q_z = CaseMlp(auxiliary + dim, 0, classes, [*hidden, 2 * latent], generator, HEAD_GAIN)
        self.p_a = CaseMlp(0, latent, classes, [*back, 2 * auxiliary], generator, HEAD_GAIN)
        self.p_x = CaseMlp(auxiliary, latent, classes, [*back, 2 * dim], generator, HEAD_GAIN)

    def infer(self, x: Tensor) -> Normal:
        """q(a | x), (windows, auxiliary)."""
        return gaussian(self.q_a(x), POSTERIOR_STD)

    def classify(self, x: Tensor, a: Tensor) -> Tensor:
        """Logits of q(y | a, x), (windows, K)."""
        logits: Tensor = self.q_y(torch.cat([a, x], dim=1))
        return logits

    def case_bound(self, x: Tensor, a: Tensor, cases: Cases, noise: Tensor) -> Tensor:
        """E(x, a, y) of each case, (cases,)."""
        q_z = gaussian(self.q_z(torch.cat([a, x], dim=1), None, cases), POSTERIOR_STD)
        z = q_z.rsample(noise.index_select(0, cases.window))
        p_a = gaussian(self.p_a(None, z, cases), DECODER_STD)
        p_x = gaussian(self.p_x(a, z, cases), DECODER_STD)
        told = normal_log_prob(x.index_select(0, cases.window), *p_x).sum(-1)
        told = told + normal_log_prob(a.index_select(0, cases.window), *p_a).sum(-1)
        return told + standard_cross_entropy(*q_z) + normal_entropy(q_z.log_var) - math.log(self.classes)


@dataclass(frozen=True)
class SkipTerms:
    """Means over the windows of a batch; the classification loss over those with a label."""

    labelled_bound: Tensor
    unlabelled_bound: Tensor
    classification: Tensor


def skip_terms(
    model: SkipModel,
    x: Tensor,
    labels: Tensor,
    a_noise: Tensor,
    z_noise: Tensor,
    class_weights: Tensor | None = None,
) -> SkipTerms:
    """Terms of the objective, y enumerated where there is no label.

    Parameters
    ----------
    model : SkipModel
    x : Tensor, shape (windows, D)
        Labelled windows first.
    labels : Tensor of int64, shape (labelled,)
    a_noise, z_noise : Tensor, shapes (windows, auxiliary) and (windows, latent)
        Standard normal; the same for all classes of a window.
    class_weights : Tensor, shape (K,), optional
        Of the classification loss.
    """
    count, labelled = len(x), len(labels)
    q_a = model.infer(x)
    a = q_a.rsample(a_noise)
    logits = model.classify(x, a)
    bound = model.case_bound(x, a, all_cases(labelled, labels, count - labelled, model.classes), z_noise)
    entropy = normal_entropy(q_a.log_var)
    log_q = torch.log_softmax(logits[labelled:], dim=-1)
    by_class = bound[labelled:].view(count - labelled, model.classes)
    unlabelled = (log_q.exp() * (by_class - log_q)).sum(-1) + entropy[labelled:]
    return SkipTerms(
        (bound[:labelled] + entropy[:labelled]).sum() / count,
        unlabelled.sum() / count,
        functional.cross_entropy(logits[:labelled], labels, weight=class_weights) if labelled else x.new_zeros(()),
    )


class Sdgm(MultiViewClassifier):
    """SDGM: an auxiliary variable a lets q(z | x, y) be other than normal, and y be told through it.

    With all views side by side as x, the generative and the inference model are::

        p(x, a, y, z) = p(x | a, z, y) p(a | z, y) p(y) N(z; 0, I)
        q(a, y, z | x) = q(a | x) q(y | a, x) q(z | a, x, y)

    all normal but p(y), which is uniform, and q(y | a, x); minimised, per window::

        E(x, a, y) = E_q(z|a,x,y) [ log p(x, a, y, z) - log q(z | a, x, y) ]
        l(x, y) = E_q(a|x) [ E(x, a, y) - log q(a | x) ]
        u(x)    = E_q(a|x) [ sum_y q(y | a, x) (E(x, a, y) - log q(y | a, x)) - log q(a | x) ]
        -(1/N) [ sum_labelled l(x, y) + sum_unlabelled u(x) ] - weight * mean over labelled of E_q(a|x) log q(y | a, x)

    The last mean gives each class the same say. One draw of a and z a step; the entropies of q(a | x) and
    q(z | a, x, y), and E log p(z), in closed form.

    Parameters
    ----------
    dims : sequence of int
    weight : float
        c, of the classification loss.
    samples : int
        Draws of a in a prediction, the same for every window.
    hidden : sequence of int
        Layers from x to a variable; back, in reverse.
    latent, auxiliary : int
        Sizes of z and a.
    steps, batch_size : int
    learning_rate : float
    random_state : int
    device : str
    """

    # What each class weighs in the classification loss, known once labels are.
    _balance: Tensor | None = None

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        weight: float = 0.5,
        samples: int = 16,
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        auxiliary: int = LATENT,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.dims = dims
        self.weight = weight
        self.samples = samples
        self.hidden = hidden
        self.latent = latent
        self.auxiliary = auxiliary
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn; see the base class.

        Raises
        ------
        ValueError
            A feature is missing.
        """
        del groups
        split_views(X, self.dims)
        refuse_missing(X, type(self).__name__)
        self.classes_, counts = np.unique(y[y != UNLABELLED], return_counts=True)
        self._balance = class_weights(counts, make_settings("default")).to(self.device)
        net = self._net(len(self.classes_), seeded(self.random_state, 0))
        plan = Plan(self.steps, self.batch_size, self.learning_rate, self.random_state, self.device)
        train_net(net, lambda batch: self._loss(net, batch, len(X)), X, y, plan)
        self.net_ = net
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """E_q(a|x) q(y | a, x), (windows, K), by `samples` draws."""
        split_views(X, self.dims)
        refuse_missing(X, type(self).__name__)
        x = tensor(X, self.device)
        generator = seeded(self.random_state, 4)
        with torch.inference_mode():
            q_a = self.net_.infer(x)
            total = torch.zeros(len(x), len(self.classes_), dtype=torch.float64, device=x.device)
            for _ in range(self.samples):
                noise = torch.randn(1, q_a.mean.shape[1], generator=generator).to(x.device)
                total += torch.softmax(self.net_.classify(x, q_a.rsample(noise)).double(), dim=-1)
        out: Floats = (total / self.samples).cpu().numpy()
        return out

    def _net(self, classes: int, generator: torch.Generator) -> SkipModel:
        return SkipNet(sum(self.dims), classes, self.hidden, self.latent, self.auxiliary, generator)

    def _loss(self, net: SkipModel, batch: Batch, windows: int) -> Tensor:
        del windows
        noise = batch.normal(net.auxiliary), batch.normal(net.latent)
        terms = skip_terms(net, batch.x, batch.labels, *noise, self._balance)
        return self.weight * terms.classification - terms.labelled_bound - terms.unlabelled_bound
