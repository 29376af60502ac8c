"""Kernels of the linear room."""

import jax.numpy as jnp
import numpy as np

from jaxneuro import linear

from .table import ALPHAS, CHOICE, FOLD, XY, A, N, P, Row, T

MODULES = ("linear",)
HOST = {"linear.delay_bands": "returns the band of each column with the array"}
CHOSEN = "only the chosen weightings are solved, which the host must know"
BANDS = np.array([0, 0, 1])


def linear_fit(alpha=(T,)):
    return {"coef": (P, T), "intercept": (T,), "alpha": alpha}


def cv_fit(scores, *, alpha=(T,), alphas=(A,)):
    return {
        "fit": linear_fit(alpha),
        "scores": scores,
        "alphas": alphas,
        "converged": (T,),
    }


def fitted(X, Y):
    """A model whose coefficients are data, so that they vary with the arrays."""
    return linear.LinearFit(coef=X[:P, :T], intercept=Y[0], alpha=jnp.ones_like(Y[0]))


ROWS = [
    Row("linear.ridge", lambda X, Y: linear.ridge(X, Y, 2.0), XY, linear_fit()),
    Row(
        "linear.ridge_cv",
        lambda X, Y: linear.ridge_cv(X, Y, ALPHAS, FOLD, keep_scores=True),
        XY,
        cv_fit((2, A, T)),
        jumps=CHOICE,
    ),
    Row(
        "linear.banded_ridge_cv",
        lambda X, Y: linear.banded_ridge_cv(
            X, Y, BANDS, ALPHAS, FOLD, gammas=[[0.5, 0.5], [0.8, 0.2]]
        ),
        XY,
        cv_fit((1, 2, T), alpha=(2, T), alphas=(2, 2)),
        jumps=CHOICE,
        host_loop=CHOSEN,
        recompiles=CHOSEN,
    ),
    Row(
        "linear.split_scores",
        lambda X, Y: linear.split_scores(fitted(X, Y), X, Y, BANDS),
        XY,
        (2, T),
    ),
    Row(
        "linear.variance_partition",
        lambda X, Y: linear.variance_partition(X, Y, BANDS, ALPHAS, FOLD),
        XY,
        {"r2": (3, T), "unique": (2, T), "common": (3, T)},
        jumps=CHOICE,
    ),
    Row(
        "linear.predict",
        lambda X, Y: linear.predict(fitted(X, Y), X),
        XY,
        (N, T),
    ),
]
