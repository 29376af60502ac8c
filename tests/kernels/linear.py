"""Kernels of the linear room."""

import jax.numpy as jnp

from jaxneuro import linear

from .table import ALPHAS, CHOICE, FOLD, XY, A, N, P, Row, T

MODULES = ("linear",)
HOST: dict[str, str] = {}


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
        "linear.predict",
        lambda X, Y: linear.predict(fitted(X, Y), X),
        XY,
        (N, T),
    ),
]
