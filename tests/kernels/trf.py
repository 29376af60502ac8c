"""Kernels of the TRF room."""

import jax
import jax.numpy as jnp

from jaxneuro import trf

from .table import ALPHAS, CHOICE, FOLD, LAGS, TRIAL, XY, A, L, N, P, Row, T

CHOSEN = "only the chosen combinations are solved, which the host must know"
MODULES = ("trf",)
HOST: dict[str, str] = {}


def trf_fit(alpha=(T,)):
    return {"coef": (L, P, T), "intercept": (T,), "alpha": alpha}


def cv_fit(scores, *, alphas=(A,), alpha=(T,)):
    return {
        "fit": trf_fit(alpha),
        "scores": scores,
        "alphas": alphas,
        "converged": (T,),
    }


def fitted(X, Y):
    """A model whose coefficients are data, so that they vary with the arrays."""
    coef = jnp.stack([X[:P, :T], X[3 : 3 + P, :T], Y[:P], Y[5 : 5 + P]])
    return trf.TRFFit(coef=coef, intercept=Y[0], alpha=jnp.ones_like(Y[0]), lags=LAGS)


ROWS = [
    Row(
        "trf.fit",
        lambda X, Y: trf.fit(X, Y, LAGS, 2.0, trial_id=TRIAL),
        XY,
        trf_fit(),
    ),
    Row(
        "trf.fit_cv",
        lambda X, Y: trf.fit_cv(X, Y, LAGS, ALPHAS, FOLD, trial_id=TRIAL),
        XY,
        cv_fit((2, A, T)),
        jumps=CHOICE,
    ),
    Row(
        "trf.fit_gcv",
        lambda X, Y: trf.fit_gcv(X, Y, LAGS, ALPHAS, trial_id=TRIAL),
        XY,
        cv_fit((1, A, T)),
        jumps=CHOICE,
    ),
    Row(
        "trf.fit_banded_cv",
        lambda X, Y: trf.fit_banded_cv(
            X, Y, LAGS, ALPHAS[:2], FOLD, bands=[0, 0, 1], trial_id=TRIAL
        ),
        XY,
        cv_fit((2, 4, T), alphas=(4, 2), alpha=(2, T)),
        jumps=CHOICE,
        recompiles=CHOSEN,
        host_loop=CHOSEN,
    ),
    Row(
        "trf.predict",
        lambda X, Y: trf.predict(fitted(X, Y), X, trial_id=TRIAL),
        XY,
        (N, T),
    ),
    Row(
        "trf.patterns",
        lambda X, Y: trf.patterns(fitted(X, Y), X, trial_id=TRIAL),
        XY,
        (L, P, T),
    ),
    Row(
        "trf.permutation_test",
        lambda X, Y: trf.permutation_test(
            X,
            Y,
            LAGS,
            2.0,
            FOLD,
            key=jax.random.key(3),
            n_permutations=7,
            trial_id=TRIAL,
        ),
        XY,
        {"scores": (T,), "null": (7, T), "p_value": (T,), "p_corrected": (T,)},
        jumps="p values count",
    ),
    Row(
        "trf.jackknife",
        lambda X, Y: trf.jackknife(X, Y, LAGS, 2.0, FOLD),
        XY,
        {
            "members": (2, L, P, T),
            "coef": (L, P, T),
            "standard_error": (L, P, T),
        },
    ),
    Row(
        "trf.single_lag",
        lambda X, Y: trf.single_lag(X, Y, LAGS, ALPHAS, FOLD, trial_id=TRIAL),
        XY,
        (L, T),
        jumps=CHOICE,
    ),
    Row(
        "trf.variance_partition",
        lambda X, Y: trf.variance_partition(
            X, Y, LAGS, ALPHAS, FOLD, bands=[0, 0, 1], trial_id=TRIAL
        ),
        XY,
        {"r2": (3, T), "unique": (2, T), "common": (3, T)},
        jumps=CHOICE,
    ),
]
