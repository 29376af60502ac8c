"""Kernels of the lasso, beside the ridge models of the same room."""

from jaxneuro import linear

from .table import ALPHAS, CHOICE, FOLD, XY, A, P, Row, T

ACTIVE = "features enter and leave"
MODULES = ()
HOST: dict[str, str] = {}
GRID = ALPHAS / 400


def lasso_fit(*leading):
    return {
        "coef": (*leading, P, T),
        "intercept": (*leading, T),
        "alpha": (*leading, T),
        "converged": (*leading, T),
        "n_iter": (*leading, T),
        "gap": (*leading, T),
    }


def cv_fit(scores, alphas):
    return {
        "fit": lasso_fit(),
        "scores": scores,
        "alphas": alphas,
        "converged": (T,),
    }


ROWS = [
    Row(
        "linear.lasso",
        lambda X, Y: linear.lasso(X, Y, 0.2),
        XY,
        lasso_fit(),
        jumps=ACTIVE,
    ),
    Row(
        "linear.lasso_path",
        lambda X, Y: linear.lasso_path(X, Y, GRID),
        XY,
        lasso_fit(A),
        jumps=ACTIVE,
    ),
    Row(
        "linear.lasso_cv",
        lambda X, Y: linear.lasso_cv(X, Y, FOLD, n_alphas=7, keep_scores=True),
        XY,
        cv_fit((2, 7, T), (7, T)),
        jumps=CHOICE,
    ),
    Row(
        "linear.lasso_lars_cv",
        lambda X, Y: linear.lasso_lars_cv(X, Y, FOLD, max_iter=2),
        XY,
        cv_fit((1, 6, T), (6, T)),
        jumps=CHOICE,
    ),
]
