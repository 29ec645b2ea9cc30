"""Deep canonical correlation analysis, with and without reconstruction, and a linear classifier on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.linear import linear_head
from rtemo.evaluation.baselines.networks import (
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    STEPS,
    Batch,
    Plan,
    mlp,
    refuse_missing,
    seeded,
    tensor,
    train_net,
)


class Dcca(MultiViewClassifier):
    """Deep CCA (Andrew et al. 2013): nets whose outputs correlate between views, then a linear classifier.

    Maximised, with Sigma the covariances within a batch of the nets' outputs (`cca_zoo.deep.DCCA`)::

        | Sigma_11^-1/2 Sigma_12 Sigma_22^-1/2 |_F^2 = sum of squared canonical correlations

    Andrew et al. take the sum of the correlations themselves: the same solutions where nets are linear. Of more than
    two views the sum over pairs is maximised (`cca_zoo.deep.DMCCA`). The canonical variates of the training windows'
    outputs (linear CCA, or MCCA) go side by side to the classifier, which learns from the labelled ones.

    Parameters
    ----------
    dims : sequence of int
    head : {"logistic", "svm"}
    C : float
        Its weight of the likelihood, or of errors.
    activation : {"relu", "linear"}
        Between layers; a linear net is CCA.
    hidden : sequence of int
        Layers between a view and the outputs.
    latent : int
        Outputs of each net.
    ridge : float
        Added to variances within a view.
    steps, batch_size : int
        Batches are larger than those of other nets: covariances come from them.
    learning_rate : float
    random_state : int
    device : str
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        head: Literal["logistic", "svm"] = "logistic",
        C: float = 0.1,
        activation: Literal["relu", "linear"] = "relu",
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        ridge: float = 1e-3,
        steps: int = STEPS,
        batch_size: int = 512,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.dims = dims
        self.head = head
        self.C = C
        self.activation = activation
        self.hidden = hidden
        self.latent = latent
        self.ridge = ridge
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn the nets from all windows, the classifier from the labelled ones.

        Raises
        ------
        ConfigurationError
            There is a single view.
        ValueError
            A feature is missing.
        """
        if len(self.dims) < 2:
            raise ConfigurationError("deep CCA correlates views, and there is one.", cure="Use another method.")
        refuse_missing(X, type(self).__name__)
        model = self._model(seeded(self.random_state, 0))
        plan = Plan(self.steps, self.batch_size, self.learning_rate, self.random_state, self.device)

        def loss(batch: Batch) -> Tensor:
            objective: Tensor = model.loss({"views": list(torch.split(batch.x, list(self.dims), dim=1))})["objective"]
            return objective

        train_net(model, loss, X, np.full(len(X), -1), plan)
        self.encoders_ = nn.ModuleList(model.encoders)
        self.variates_ = self._linear().fit(self._encodings(X))
        codes = self.representation(X)
        self.head_ = linear_head(self.head, codes.shape[1], self.C, self.random_state)
        self.head_.fit(codes, y, groups)
        self.classes_ = self.head_.classes_
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        refuse_missing(X, type(self).__name__)
        return self.head_.predict_proba(self.representation(X))

    def representation(self, X: Floats) -> Floats:
        """Canonical variates of all views side by side, (windows, V * latent)."""
        return np.hstack(self.variates_.transform(self._encodings(X)))

    def _encodings(self, X: Floats) -> list[Floats]:
        split_views(X, self.dims)
        views = torch.split(tensor(X, self.device), list(self.dims), dim=1)
        with torch.inference_mode():
            return [f(x).double().cpu().numpy() for f, x in zip(self.encoders_, views, strict=True)]

    def _nets(self, generator: torch.Generator) -> list[nn.Module]:
        return [mlp([d, *self.hidden, self.latent], generator, activation=self.activation) for d in self.dims]

    def _model(self, generator: torch.Generator) -> Any:
        deep = _deep()
        kind = deep.DCCA if len(self.dims) == 2 else deep.DMCCA
        return kind(self.latent, self._nets(generator), reg_covar=self.ridge)

    def _linear(self) -> Any:
        from cca_zoo.linear import CCA, MCCA

        return (CCA if len(self.dims) == 2 else MCCA)(self.latent)


class Dccae(Dcca):
    """Deep canonically correlated autoencoders (Wang et al. 2015): deep CCA with a reconstruction of each view.

    Minimised (`cca_zoo.deep.DCCAE`), with f the nets of deep CCA, g decoders and rho its squared correlations::

        -(1 - share) * sum rho^2 + share * sum_v mean ( x^v - g_v(f_v(x^v)) )^2

    Parameters are those of `Dcca`, and

    Parameters
    ----------
    share : float
        Of the reconstruction, 0 to 1.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        share: float = 0.5,
        head: Literal["logistic", "svm"] = "logistic",
        C: float = 0.1,
        activation: Literal["relu", "linear"] = "relu",
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        ridge: float = 1e-3,
        steps: int = STEPS,
        batch_size: int = 512,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            dims,
            head=head,
            C=C,
            activation=activation,
            hidden=hidden,
            latent=latent,
            ridge=ridge,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
            device=device,
        )
        self.share = share

    def _model(self, generator: torch.Generator) -> Any:
        encoders = self._nets(generator)
        decoders = [
            mlp([self.latent, *reversed(self.hidden), d], generator, activation=self.activation) for d in self.dims
        ]
        return _deep().DCCAE(self.latent, encoders, decoders, lam=self.share, reg_covar=self.ridge)


def _deep() -> Any:
    """`cca_zoo.deep`: imported when it is needed, as it brings PyTorch Lightning along."""
    from cca_zoo import deep

    return deep
