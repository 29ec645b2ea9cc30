"""Every choice of the model and its training, checked; ``default`` and ``paper`` are presets of the same settings.

The models of Du et al. 2018 and their ancestors are settings, not copies:

======================  =====================================================================
M2 (Kingma et al.)      one view
MVAE (Sec. 3.1)         ``labels=False``
SMVAE (P2, Eq. 3)       ``chain=False, missing="drop", c1=0``
SiMVAE (P3, Eq. 10)     ``chain=True``
======================  =====================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtemo.errors import ConfigurationError

Size = Annotated[int, Field(ge=1, le=4096)]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class SimvaeSettings(BaseModel):
    """Settings of SiMVAE and of its training.

    Parameters
    ----------
    latent, hidden, activation
        Dimension of z, and the layers between a view and z (and back, in reverse).
    chain
        Whether a decoder sees the views before its own, p(x^w | y, z, x^{<w}) (Eq. 10), or only y and z (Eq. 3).
    labels
        Whether y is a variable of the generative model; without it (MVAE) the classifier learns from labels alone.
    entropy
        Lower bound on the entropy of the mixture posterior; ``jensen`` is the paper's (Eq. 5).
    posterior
        Components of the posterior of z: the ``observed`` views, renormalised, or ``all`` views (the paper).
    front_end, pca_size, pca_ridge, cca_size, front_end_ridge
        Linear map of each view, fitted on all training windows whether labelled or not: whitened PCA, ``shrunk`` PCA
        (directions that vary less than the mean stay small: whitening them would blow up noise), CCA between the
        views, ``both`` PCA and CCA side by side, or none; outputs a view; ridges as a fraction of the mean variance,
        added before whitening (``pca_ridge`` for ``shrunk``, ``front_end_ridge`` for CCA).
    tau
        Scale of the unlabelled bound's gradient into the classifier; None: 1 / (number of model inputs); 1: the paper.
    decoder_variance, decoder_std, std_floor
        ``window``: a network output (the paper); ``shared``: learnt, one a feature; ``fixed``: ``decoder_std``.
        No standard deviation of a decoder or an imputer falls below ``std_floor``.
    missing
        A missing view in training is ``impute``-d (Eq. 13, 15), ``marginalise``-d (its decoder is left out: exact
        without the chain), or its window is ``drop``-ped (Eq. 12, 14 alone).
    imputation
        In training, ``mean``: E[psi], its variance kept in the expected log-likelihood; ``sample``: a draw (the paper).
    imputer_gradient
        ``detached``: psi learns from its own loss only; ``elbo``: from the bounds as well (the paper).
    imputer_skip, classifier_skip
        A linear path from input to output beside the hidden layers.
    imputer_size
        Principal components of a view that psi sees: those that are inputs of the model, and further ones up to this
        number, ``shrunk`` as above. What says little of the class may say much of another view. Not in the paper.
    imputer_decay
        Of psi: its weights cost imputer_decay / (2 M) |W|^2, M the trials with windows of several views, which it
        learns from (a normal prior of precision ``imputer_decay``; windows of a trial are alike and count as one). Not
        in the paper; with few such trials psi would follow noise.
    imputer_head_start, imputer_learning_rate
        psi learns alone first, for so many times the steps of the training and by Adam at this rate, so that what is
        filled in is worth learning from; then with the others, at theirs. Not in the paper.
    c1, c2, c3
        Weights of the imputation loss, of the classification loss (c of Eq. 9 and c2 of Eq. 17, as a mean over labelled
        windows), and of the classification loss on windows with views hidden and imputed (not in the paper).
    a0, weight_floor
        Dirichlet prior of the posterior weights l, and the share of the uniform distribution mixed into them.
    warm_up
        Fraction of the training over which the weight of the posterior's entropy and of log p(z) rises from 0 to 1.
    class_weight
        ``balanced`` gives each class the same say in the classification loss.
    prior
        pi: ``uniform``, or the ``frequency`` of the labels in training.
    weight_decay, dropout
        Of the classifier: its weights cost weight_decay / 2 |W|^2, whatever the number of labels, and this fraction of
        its hidden units is left out at random in training.
    learning_rate, cool_down, epochs, steps, batch_size, gradient_clip
        Adam, its rate falling over the last ``cool_down`` of the training. Without ``epochs``, as many as make about
        ``steps`` steps.
    batch, labelled_share, complete_share
        ``mixed`` batches always hold labelled windows and windows with several views, in at least these shares (as far
        as there are any; labelled ones also in at least their share of all); ``uniform`` batches are drawn blindly
        (the paper).
    validation_fraction, validation_windows, patience
        Early stopping holds out whole labelled trials of each class; where fewer than ``validation_windows`` labelled
        windows would be held out, or a class has a single trial, training runs its full length instead. It stops after
        ``patience`` epochs without improvement of the held-out classification loss.
    refit, probe_fraction
        Whether to train once more where trials were held out, then on all windows but those of the probe; figures and
        temperature are those of the first go. The probe guards a model that adapts: this share of the labelled trials
        of each class (at least one, and at most those that the first go held out), which the second go never learns
        from. Where a class has fewer than five labelled trials, or with 0, the second go learns from everything, and
        the probe is what the first go held out. Without ``refit`` it is that too.
    temperature
        Whether one temperature is fitted on the held-out labelled windows.
    imputations
        Draws S of the missing views in a prediction; 0 means E[psi] in one pass.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent: Size = 30
    hidden: tuple[Size, Size] = (100, 50)
    activation: Literal["relu", "tanh", "softplus"] = "relu"
    chain: bool = False
    labels: bool = True
    entropy: Literal["bhattacharyya", "jensen"] = "bhattacharyya"
    posterior: Literal["observed", "all"] = "observed"
    front_end: Literal["none", "pca", "shrunk", "cca", "both"] = "shrunk"
    pca_size: Size = 20
    pca_ridge: Annotated[float, Field(ge=0, le=100)] = 1.0
    cca_size: Size = 8
    front_end_ridge: Annotated[float, Field(ge=0, le=10)] = 0.01
    tau: Annotated[float, Field(ge=0, le=1)] | None = 1.0
    decoder_variance: Literal["window", "shared", "fixed"] = "shared"
    decoder_std: Positive = 1.0
    std_floor: Annotated[float, Field(ge=0.05, le=1)] = 0.1
    missing: Literal["impute", "marginalise", "drop"] = "impute"
    imputation: Literal["mean", "sample"] = "mean"
    imputer_gradient: Literal["detached", "elbo"] = "detached"
    imputer_skip: bool = True
    imputer_size: Size = 100
    imputer_decay: Weight = 5.0
    imputer_head_start: Annotated[float, Field(ge=0, le=100)] = 1.0
    imputer_learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-2
    classifier_skip: bool = True
    c1: Weight = 1.0
    c2: Weight = 1.0
    c3: Weight = 0.5
    a0: Annotated[float, Field(ge=1, le=1e6)] = 2.0
    weight_floor: Fraction = 0.02
    warm_up: Fraction = 0.2
    class_weight: Literal["balanced", "none"] = "balanced"
    prior: Literal["uniform", "frequency"] = "uniform"
    weight_decay: Weight = 0.02
    dropout: Fraction = 0.5
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    cool_down: Fraction = 0.3
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    steps: Annotated[int, Field(ge=1, le=100_000_000)] = 1000
    batch_size: Annotated[int, Field(ge=2, le=65536)] = 128
    gradient_clip: Positive = 20.0
    batch: Literal["mixed", "uniform"] = "mixed"
    labelled_share: Fraction = 0.25
    complete_share: Fraction = 0.25
    validation_fraction: Fraction = 0.2
    validation_windows: Annotated[int, Field(ge=1)] = 30
    patience: Annotated[int, Field(ge=1)] = 30
    refit: bool = True
    probe_fraction: Fraction = 0.1
    temperature: bool = True
    imputations: Annotated[int, Field(ge=0, le=1024)] = 32

    @model_validator(mode="after")
    def _fits_together(self) -> SimvaeSettings:
        if self.imputations == 1:
            raise ValueError(
                "imputations = 1: a single draw loses up to 7 points and has no spread; use 0 (E[psi]) or 2 on"
            )
        if self.missing == "marginalise" and self.chain:
            raise ValueError('missing = "marginalise" is exact only without the chain: set chain = false')
        if self.missing == "marginalise" and self.posterior == "all":
            raise ValueError('missing = "marginalise" imputes nothing to infer from: set posterior = "observed"')
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "chain": True,
        "entropy": "jensen",
        "posterior": "all",
        "front_end": "none",
        "tau": 1.0,
        "decoder_variance": "window",
        "imputation": "sample",
        "imputer_gradient": "elbo",
        "imputer_skip": False,
        "imputer_decay": 0.0,
        "imputer_head_start": 0.0,
        "classifier_skip": False,
        "c1": 0.5,
        "c2": 0.5,
        "a0": 2.0,
        "weight_floor": 0.0,
        "warm_up": 0.0,
        "c3": 0.0,
        "dropout": 0.0,
        "cool_down": 0.0,
        "refit": False,
        "steps": 4000,
        "class_weight": "none",
        "weight_decay": 0.0,
        "learning_rate": 3e-4,
        "batch": "uniform",
        "batch_size": 100,
        "temperature": False,
    },
}


def make_settings(preset: str = "default", overrides: Mapping[str, Any] | None = None) -> SimvaeSettings:
    """Settings of a preset with some of them replaced.

    Parameters
    ----------
    preset : {"default", "paper"}
        ``paper`` is the objective as printed, ``default`` what makes it work.
    overrides : mapping, optional
        Settings by name, as in ``[model.settings]`` of a configuration.

    Raises
    ------
    ConfigurationError
        A preset or a setting is unknown, or a value is out of range.
    """
    if preset not in PRESETS:
        raise ConfigurationError(f"model preset {preset!r} is unknown.", cure=f"Use one of {', '.join(PRESETS)}.")
    try:
        return SimvaeSettings.model_validate({**PRESETS[preset], **(overrides or {})})
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        raise ConfigurationError(f"[model.settings]: {problems}.") from error


def _describe(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = sorted(SimvaeSettings.model_fields)
        near = difflib.get_close_matches(key, known, n=1)
        return f"unknown model setting {key!r}" + (
            f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
        )
    if not key:
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"model setting {key!r}: {problem['msg'].removeprefix('Value error, ')} (found {problem['input']!r})"
