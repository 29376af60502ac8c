"""A small recording with ragged trials, and its explicit lagged design."""

import numpy as np
import pytest

from jaxneuro import signal
from jaxneuro.signal import Lags


class Recording:
    """Predictors, targets, trials and the design that no kernel builds."""

    def __init__(self, rng, dtype):
        lengths = [150, 210, 123, 171]
        n = sum(lengths)
        self.trial_id = np.repeat(np.arange(4), lengths)
        self.lags = Lags(-0.2, 0.5, 10)
        self.X = (rng.standard_normal((n, 3)) + 0.5).astype(dtype)
        self.D = np.asarray(signal.lagged(self.X, self.lags, trial_id=self.trial_id))
        self.D = self.D.reshape(n, -1).astype(float)
        weights = rng.standard_normal((self.D.shape[1], 2))
        noise = rng.standard_normal((n, 2)) * [3.0, 12.0]
        self.Y = (self.D @ weights + noise + 2.0).astype(dtype)

    def ridge(self, alpha, rows=slice(None), penalty=None):
        """Ridge with an unpenalised intercept on the explicit design."""
        D, Y = self.D[rows], self.Y[rows].astype(float)
        Dc, Yc = D - D.mean(0), Y - Y.mean(0)
        R = np.eye(D.shape[1]) if penalty is None else penalty
        coef = np.linalg.solve(Dc.T @ Dc + alpha * R, Dc.T @ Yc)
        return coef, Y.mean(0) - D.mean(0) @ coef

    def cv(self, alphas, fold_id, metric):
        """Held-out score of every fold, penalty and target."""
        scores = []
        for fold in range(fold_id.max() + 1):
            test = fold_id == fold
            row = []
            for alpha in alphas:
                coef, intercept = self.ridge(alpha, ~test)
                row.append(metric(self.Y[test], self.D[test] @ coef + intercept))
            scores.append(row)
        return np.array(scores)


@pytest.fixture
def rec(rng, dtype):
    return Recording(rng, dtype)


def r2(y, p):
    return 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)


def correlation(y, p):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(y.T, p.T, strict=True)])


def negative_mse(y, p):
    return -((y - p) ** 2).mean(0)


@pytest.fixture(params=[r2, correlation, negative_mse], ids=lambda f: f.__name__)
def metric(request):
    names = {"r2": "r2", "correlation": "correlation", "negative_mse": "mse"}
    return names[request.param.__name__], request.param
