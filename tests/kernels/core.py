"""Kernels of the core."""

import dataclasses

import jax.numpy as jnp

from jaxneuro.core import linalg, partition, ridge, score, search
from jaxneuro.core import moments as mom

from .table import ALPHAS, CHOICE, FOLD, XY, A, N, P, Row, T, leading, moments_of

MODULES = (
    "core.linalg",
    "core.moments",
    "core.partition",
    "core.ridge",
    "core.search",
    "core.score",
)
HOST = {
    "core.partition.band_numbers": "checks what selects code",
    "core.partition.subsets_of": "lists sets",
    "core.ridge.pick_method": "chooses a method from sizes",
    "core.linalg.factor": "decides a rank, in float64",
    "core.linalg.lstsq": "refines in extended precision",
}
HOST_MODULES = {
    "core.batch": "reads from disk",
    "core.check": "raises",
    "core.checkpoint": "writes to disk",
    "core.folds": "integers, once per fit",
    "core.fronted": "joins functions",
    "core.memory": "of the process",
    "core.multiple": "its row is that of glm.fdr",
    "core.progress": "draws on a terminal",
    "core.struct": "makes classes",
    "core.threads": "starts threads",
}


def spectrum_of_products(X):
    penalty = jnp.arange(1, P + 1, dtype=X.dtype)
    s = ridge.spectrum(mom.moments(X, X).xx, penalty)
    # The sign of an eigenvector is free.
    return dataclasses.replace(s, basis=jnp.abs(s.basis))


def shrunk(X, alpha):
    s = ridge.spectrum(mom.moments(X, X).xx)
    return ridge.shrink(s, jnp.abs(alpha)[None] + 1)


def half(X, Y):
    return mom.moments(X[:20], Y[:20]), mom.moments(X[20:], Y[20:])


def folds_of(X, Y):
    # A copy, lest the float64 checks meet what an outer jit has cached for float32.
    return mom.fold_moments(X, Y, FOLD.copy(), n_folds=2)


ROWS = [
    Row("core.linalg.dot", lambda X, Y: linalg.dot(X.T, Y), XY, (P, T)),
    Row("core.linalg.after", lambda X, Y: linalg.after(X, Y), XY, (N, P)),
    Row(
        "core.linalg.lower_solve",
        lambda X, Y: linalg.lower_solve(
            jnp.tril(X[:P]) + 3 * jnp.eye(P, dtype=X.dtype), Y[:P]
        ),
        XY,
        (P, T),
    ),
    Row("core.moments.moments", mom.moments, XY, moments_of(P)),
    Row("core.moments.fold_moments", folds_of, XY, leading(2, moments_of(P))),
    Row("core.moments.merge", lambda X, Y: mom.merge(*half(X, Y)), XY, moments_of(P)),
    Row(
        "core.moments.total",
        lambda X, Y: mom.total(folds_of(X, Y)),
        XY,
        moments_of(P),
    ),
    Row(
        "core.moments.leave_out",
        lambda X, Y: mom.leave_out(folds_of(X, Y), 1),
        XY,
        moments_of(P),
    ),
    Row(
        "core.partition.partition",
        lambda r2: partition.partition(r2, 2),
        {"r2": (3, T)},
        {"r2": (3, T), "unique": (2, T), "common": (3, T)},
    ),
    Row(
        "core.ridge.spectrum",
        spectrum_of_products,
        {"X": (N, P)},
        {"basis": (P, P), "gain": (P,), "cost": (P,)},
    ),
    Row("core.ridge.shrink", shrunk, {"X": (N, P), "alpha": (T,)}, (P, T)),
    Row(
        "core.ridge.solve",
        lambda X, Y: ridge.solve(mom.moments(X, Y), ALPHAS[:T]),
        XY,
        (P, T),
    ),
    Row(
        "core.ridge.ridge_path",
        lambda X, Y: ridge.ridge_path(mom.moments(X, Y), ALPHAS),
        XY,
        (A, P, T),
    ),
    Row(
        "core.ridge.solve_dual",
        lambda X, Y: ridge.solve_dual(X, Y, 2.0),
        {"X": (4, 9), "Y": (4, T)},
        (9, T),
    ),
    Row(
        "core.ridge.solve_svd",
        lambda X, Y: ridge.solve_svd(X, Y, 2.0),
        XY,
        (P, T),
    ),
    Row(
        "core.search.cv_scores",
        lambda X, Y: search.cv_scores(*half(X, Y), ALPHAS),
        XY,
        (A, T),
    ),
    Row(
        "core.search.gcv_scores",
        lambda X, Y: search.gcv_scores(mom.moments(X, Y), ALPHAS),
        XY,
        (A, T),
    ),
    Row(
        "core.search.score_coef",
        lambda X, Y: search.score_coef(X[:P, :T], *half(X, Y)),
        XY,
        (T,),
    ),
    Row(
        "core.search.choose",
        lambda scores: search.choose(ALPHAS, scores),
        {"scores": (4, A, T)},
        ((T,), (T,)),
        jumps=CHOICE,
    ),
    *(
        Row(f"core.score.{name}", function, {"y_true": (N, T), "y_pred": (N, T)}, (T,))
        for name, function in score.METRICS.items()
    ),
]
