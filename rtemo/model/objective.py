"""The objective F of SiMVAE (Eq. 17) with its four bounds (Eq. 12 to 15), which fall out of one formula by masks.

Errors in print are mended: the last term of Eq. 15 is -log q_psi; l_v stands inside the sum over components.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from rtemo.model.distributions import (
    LOG_2PI,
    MIXTURE_ENTROPY,
    normal_entropy,
    normal_log_prob,
    normal_log_prob_sum,
    standard_cross_entropy,
)
from rtemo.model.networks import Cases, Normal
from rtemo.model.simvae import Simvae


@dataclass(frozen=True)
class Noise:
    """All that is random in one evaluation of the loss; drawn from a seeded generator by the caller.

    Parameters
    ----------
    latent : Tensor, shape (windows, latent)
        Standard normal; shared by the components and the classes of a window (common random numbers).
    imputed : Tensor or None, shape (windows, D)
        Standard normal, for ``imputation = "sample"``.
    keep : Tensor or None, shape (windows, hidden units of the classifier)
        Dropout: 0, or 1 / (1 - dropout).
    """

    latent: Tensor
    imputed: Tensor | None = None
    keep: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Windows, the labelled ones first.

    Parameters
    ----------
    x : Tensor, shape (windows, D + E)
        The inputs, and beside them what only psi sees; anything at all in missing entries.
    observed : Tensor of bool, shape (windows, V)
    shown : Tensor of bool or None, shape (windows, V)
        Random sub-mask of `observed` for the imputation loss: views in ``observed & ~shown`` are hidden and guessed.
        None leaves the imputation loss out.
    labels : Tensor of int64, shape (labelled,)
    complete : bool
        Whether no entry is missing: known to the sampler, so that the device need not be asked.
    """

    x: Tensor
    observed: Tensor
    shown: Tensor | None
    labels: Tensor
    complete: bool


@dataclass(frozen=True)
class LossTerms:
    """The total and every term by name, each a scalar; those of the bounds are means over the windows of the batch.

    ``total = -(labelled_bound + unlabelled_bound) + c1 imputation + c2 classification + c3 hidden_classification
    + weight_prior + weight_decay``. The bounds are made of ``class_prior, reconstruction, latent_prior, latent_entropy,
    class_entropy, imputation_entropy``, which sum to ``labelled_bound + unlabelled_bound`` once warm-up is over.
    """

    total: Tensor
    labelled_bound: Tensor
    unlabelled_bound: Tensor
    class_prior: Tensor
    reconstruction: Tensor
    latent_prior: Tensor
    latent_entropy: Tensor
    class_entropy: Tensor
    imputation_entropy: Tensor
    classification: Tensor
    hidden_classification: Tensor
    imputation: Tensor
    weight_prior: Tensor
    weight_decay: Tensor

    def floats(self) -> dict[str, float]:
        """The terms as numbers, fetched from the device at once."""
        names = [field.name for field in fields(self)]
        values = torch.stack([getattr(self, name).detach() for name in names]).tolist()
        return dict(zip(names, values, strict=True))


@dataclass(frozen=True)
class Bound:
    """Terms of E(X, y), each of shape (cases,); their sum is the bound."""

    class_prior: Tensor
    reconstruction: Tensor
    latent_prior: Tensor
    latent_entropy: Tensor

    def total(self, warm: float = 1.0) -> Tensor:
        """The bound; `warm` scales log p(z) and the entropy of q(z) while training warms up."""
        return self.class_prior + self.reconstruction + warm * (self.latent_prior + self.latent_entropy)


def all_cases(labelled: int, labels: Tensor, unlabelled: int, classes: int) -> Cases:
    """One case a labelled window, then K cases an unlabelled window, classes running fastest."""
    device = labels.device
    rest = torch.arange(labelled, labelled + unlabelled, device=device).repeat_interleave(classes)
    window = torch.cat([torch.arange(labelled, device=device), rest])
    return Cases(window, torch.cat([labels, torch.arange(classes, device=device).repeat(unlabelled)]))


def case_bound(
    model: Simvae, x: Tensor, observed: Tensor, cases: Cases, noise: Tensor, imputed_log_var: Tensor | None = None
) -> Bound:
    """E(X, y): the bound of a filled window, given a class (Eq. 5 and 6 where all views are observed).

    Parameters
    ----------
    x : Tensor, shape (windows, D)
        Without missing entries.
    observed : Tensor of bool, shape (windows, V)
        At least one a row.
    cases : Cases
        Pairs (window, class).
    noise : Tensor, shape (windows, latent)
    imputed_log_var : Tensor, shape (windows, D), optional
        Where given, missing entries of x are means of psi, and the expected log-likelihood under psi is taken:
        E_psi log N(x; m, s^2) = log N(E[x]; m, s^2) - var / (2 s^2), exact without the chain.
    """
    settings = model.settings
    components = model.inference(x, cases)
    used = observed if settings.posterior == "observed" else torch.ones_like(observed)
    log_weights = model.log_weights(used).index_select(0, cases.window).T
    weights = log_weights.exp()
    z = components.rsample(noise.index_select(0, cases.window))
    reconstruction = torch.zeros_like(weights)
    for view, (where, decoded) in enumerate(zip(model.slices, model.generative(z, x, cases), strict=True)):
        target = x[:, where].index_select(0, cases.window)
        if decoded.log_var.dim() == 1:
            log_prob = normal_log_prob_sum(target, *decoded)
        else:
            log_prob = normal_log_prob(target, *decoded).sum(-1)
        there = observed[:, view].index_select(0, cases.window)
        if imputed_log_var is not None:
            variance = imputed_log_var[:, where].exp().index_select(0, cases.window)
            expected = log_prob - 0.5 * (variance * torch.exp(-decoded.log_var)).sum(-1)
            log_prob = torch.where(there, log_prob, expected)
        elif settings.missing == "marginalise":
            log_prob = torch.where(there, log_prob, 0.0)
        reconstruction = reconstruction + log_prob
    prior = model.log_prior if settings.labels else torch.zeros_like(model.log_prior[:1])
    return Bound(
        class_prior=prior.index_select(0, cases.label),
        reconstruction=(weights * reconstruction).sum(0),
        latent_prior=(weights * standard_cross_entropy(*components)).sum(0),
        latent_entropy=MIXTURE_ENTROPY[settings.entropy](log_weights, *components),
    )


def loss_terms(
    model: Simvae,
    batch: Batch,
    noise: Noise,
    *,
    windows: int,
    trials: int = 0,
    class_weights: Tensor | None = None,
    warm: float = 1.0,
) -> LossTerms:
    """F / N of Eq. 17 on one batch.

    Parameters
    ----------
    model : Simvae
    batch : Batch
    noise : Noise
    windows : int
        In the training set, N: what the prior of the weights is divided by.
    trials : int
        Of it with windows of several views: what the prior of psi is divided by. 0 leaves that prior out.
    class_weights : Tensor, shape (K,), optional
        Of the classification loss.
    warm : float
        Warm-up of the entropy and log p(z), 0 to 1.
    """
    settings, count = model.settings, len(batch.x)
    labelled = len(batch.labels)
    zero = batch.x.new_zeros(())
    dims_observed = model.by_dim(batch.observed)

    filled, shown_filled, psi, imputation = _imputations(model, batch, dims_observed, noise)
    imputing = psi is not None and settings.missing == "impute"
    logits = model.classify(filled, noise.keep)

    # The generative bounds: labelled windows have one case, unlabelled windows one a class.
    if settings.labels:
        cases = all_cases(labelled, batch.labels, count - labelled, model.classes)
        alone = labelled
    else:
        everything = torch.arange(count, device=filled.device)
        cases, alone = Cases(everything, torch.zeros_like(everything)), count
    expect = imputing and settings.imputation == "mean"
    bound = case_bound(
        model, filled, batch.observed, cases, noise.latent, psi.log_var if psi is not None and expect else None
    )
    if alone < count:
        log_q = torch.log_softmax(scale_gradient(logits[alone:], model.tau), dim=-1)
        share = log_q.exp()
        class_entropy = -(share * log_q).sum(-1)
        per_case = torch.cat([share.new_ones(alone), share.reshape(-1)])
    else:
        class_entropy, per_case = logits.new_zeros(0), logits.new_ones(count)
    weighted = per_case * bound.total(warm)
    imputation_entropy = zero.expand(count)
    if imputing and psi is not None:
        imputation_entropy = normal_entropy(torch.where(dims_observed, -1.0 - LOG_2PI, psi.log_var))
    labelled_bound = (weighted[:alone].sum() + imputation_entropy[:alone].sum()) / count
    unlabelled_bound = (weighted[alone:].sum() + class_entropy.sum() + imputation_entropy[alone:].sum()) / count

    classification = hidden_classification = zero
    if labelled:
        classification = functional.cross_entropy(logits[:labelled], batch.labels, weight=class_weights)
        if shown_filled is not None:
            keep = None if noise.keep is None else noise.keep[:labelled]
            hidden_logits = model.classify(shown_filled[:labelled], keep)
            hidden_classification = functional.cross_entropy(hidden_logits, batch.labels, weight=class_weights)
    weight_prior = -(settings.a0 - 1) / windows * model.log_weights().sum()
    decay = settings.weight_decay / 2
    weight_decay = decay * model.classifier.squared_weights() if decay else zero
    if trials:
        weight_decay = weight_decay + imputer_prior(model, trials)
    objective = settings.c1 * imputation + settings.c2 * classification + settings.c3 * hidden_classification
    with torch.no_grad():
        parts = torch.stack([bound.class_prior, bound.reconstruction, bound.latent_prior, bound.latent_entropy])
        class_prior, reconstruction, latent_prior, latent_entropy = (parts @ per_case / count).unbind()
    return LossTerms(
        total=objective - labelled_bound - unlabelled_bound + weight_prior + weight_decay,
        labelled_bound=labelled_bound,
        unlabelled_bound=unlabelled_bound,
        class_prior=class_prior,
        reconstruction=reconstruction,
        latent_prior=latent_prior,
        latent_entropy=latent_entropy,
        class_entropy=class_entropy.sum() / count,
        imputation_entropy=imputation_entropy.sum() / count,
        classification=classification,
        hidden_classification=hidden_classification,
        imputation=imputation,
        weight_prior=weight_prior,
        weight_decay=weight_decay,
    )


def imputation_loss(model: Simvae, x: Tensor, observed: Tensor, shown: Tensor, guess: Normal) -> Tensor:
    """What psi is taught by: -log psi(x) of the views hidden from it, a mean over the windows that have several.

    Parameters
    ----------
    x : Tensor, shape (windows, D) or (windows, D + E)
        Finite.
    observed, shown : Tensor of bool, shape (windows, V)
    guess : Normal of shape (windows, D)
        psi given the views that are shown.
    """
    hidden = model.by_dim(observed & ~shown)
    log_prob = torch.where(hidden, normal_log_prob(x[:, : hidden.shape[1]], *guess), 0.0)
    return -log_prob.sum() / (observed.sum(-1) > 1).sum().clamp_min(1)


def imputer_prior(model: Simvae, trials: int) -> Tensor:
    """Minus the logarithm of the normal prior of psi's weights, over the trials (one or more) that it learns from."""
    if model.imputer is None or not model.settings.imputer_decay:
        return model.log_prior.new_zeros(())
    return model.settings.imputer_decay / (2 * trials) * model.imputer.squared_weights()


def _imputations(
    model: Simvae, batch: Batch, dims_observed: Tensor, noise: Noise
) -> tuple[Tensor, Tensor | None, Normal | None, Tensor]:
    """Filled inputs; with further views hidden and filled; psi (None where nothing is missing); the imputation loss."""
    settings, count = model.settings, len(batch.x)
    given = torch.where(model.by_input(batch.observed), batch.x, 0.0)
    x = given[:, : dims_observed.shape[1]]
    masks = ([] if batch.complete else [batch.observed]) + ([] if batch.shown is None else [batch.shown])
    if model.imputer is None or not masks:
        return x, None, None, x.new_zeros(())
    every = model.impute(given.repeat(len(masks), 1), torch.cat(masks))
    filled, shown_filled, psi, loss = x, None, None, x.new_zeros(())
    if not batch.complete:
        psi = Normal(every.mean[:count], every.log_var[:count])
        if settings.imputer_gradient == "detached":
            psi = Normal(psi.mean.detach(), psi.log_var.detach())
        drawn = psi.mean if noise.imputed is None else psi.rsample(noise.imputed)
        filled = torch.where(dims_observed, x, drawn)
    if batch.shown is not None:
        guess = Normal(every.mean[-count:], every.log_var[-count:])
        loss = imputation_loss(model, x, batch.observed, batch.shown, guess)
        if settings.c3 > 0:
            shown_filled = torch.where(model.by_dim(batch.shown), x, guess.mean.detach())
    return filled, shown_filled, psi, loss


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """Leave x as it is and multiply its gradient by `scale`."""
    return x if scale == 1 else x.detach() + scale * (x - x.detach())
