"""Kernels of the GLM room."""

import jax.numpy as jnp
import numpy as np

from jaxneuro import glm

from .table import ALPHAS, CHOICE, FOLD, A, N, P, Row, T

MODULES = ("glm",)
DESIGNED = "reads tables and is computed on the host in float64"
RESAMPLED = "draws resamplings, checks values and warns on the host"
LABELLED = "follows clusters on the host"
HOST: dict[str, str] = {
    "glm.design": DESIGNED,
    "glm.hrf": DESIGNED,
    "glm.permutation_test": RESAMPLED,
    "glm.cluster_test": RESAMPLED,
    "glm.tfce_test": RESAMPLED,
    "glm.clusters": LABELLED,
    "glm.tfce": LABELLED,
    "glm.volume_edges": LABELLED,
    "glm.mesh_edges": LABELLED,
    "glm.partition": DESIGNED,
    "glm.hrf_library": DESIGNED,
}
WAVES = np.column_stack([np.sin(np.arange(N)), np.cos(np.arange(N) / 5), np.ones(N)])
TRIALS = np.sin(np.arange(N)[:, None] ** np.linspace(1.2, 2, 5))
RUN = np.repeat([0, 1], [20, 16])
TESTED = {
    name: (2, T) for name in ("variance", "stat", "p_value", "z_score", "neg_log10_p")
}

ONE = dict.fromkeys(TESTED, (1, T))
FRACTIONAL = {"coef": (5, T), "fraction": (T,), "alpha": (T,)}


def data_of(record, *names):
    """Fields that come from the data; the others stay on the host in float64."""
    return {name: getattr(record, name) for name in names}


def fitted(Y, noise_model="ols"):
    return glm.fit(WAVES, Y, noise_model=noise_model)


def tested(contrast):
    return data_of(contrast, "effect", *TESTED)


def t_tests(Y):
    return glm.t_contrast(fitted(Y), np.eye(P)[:2])


ROWS = [
    Row(
        "glm.fit",
        lambda Y: data_of(
            glm.fit(WAVES, Y, noise_model="ar2", run_id=RUN), "coef", "variance", "ar"
        ),
        {"Y": (N, T)},
        {"coef": (P, T), "variance": (T,), "ar": (2, T)},
    ),
    Row(
        "glm.fit_contrasts",
        lambda Y: data_of(
            glm.fit_contrasts(WAVES, Y, t=np.eye(P)[:2], noise_model="ar2")[1],
            *("effect", "variance", "stat"),
        ),
        {"Y": (N, T)},
        dict.fromkeys(("effect", "variance", "stat"), (2, T)),
    ),
    Row(
        "glm.t_contrast",
        lambda Y: tested(t_tests(Y)),
        {"Y": (N, T)},
        TESTED | {"effect": (2, T)},
    ),
    Row(
        "glm.f_contrast",
        lambda Y: tested(glm.f_contrast(fitted(Y), [np.eye(P)[:2], np.eye(P)[1:2]])),
        {"Y": (N, T)},
        TESTED | {"effect": (2, 2, T)},
    ),
    Row(
        "glm.fixed_effects",
        lambda Y, Z: tested(
            glm.fixed_effects([t_tests(Y), t_tests(Z)], precision_weighted=True)
        ),
        {"Y": (N, T), "Z": (N, T)},
        TESTED | {"effect": (2, T)},
    ),
    Row(
        "glm.predict",
        lambda Y: glm.predict(fitted(Y), WAVES),
        {"Y": (N, T)},
        (N, T),
    ),
    Row(
        "glm.r2",
        lambda Y: glm.r2(WAVES[:, :2], Y, nuisance=WAVES[:, 2:], adjusted=True),
        {"Y": (N, T)},
        (T,),
    ),
    Row("glm.residuals", lambda Y: glm.residuals(WAVES, Y), {"Y": (N, T)}, (N, T)),
    Row(
        "glm.tails",
        lambda stat: data_of(
            glm.tails(stat, dof=50.0), "p_value", "z_score", "neg_log10_p"
        ),
        {"stat": (3, T)},
        dict.fromkeys(("p_value", "z_score", "neg_log10_p"), (3, T)),
    ),
    Row(
        "glm.one_sample",
        lambda Y: tested(glm.one_sample(Y)),
        {"Y": (N, T)},
        ONE | {"effect": (1, T)},
    ),
    Row(
        "glm.two_sample",
        lambda Y, Z: tested(glm.two_sample(Y, Z)),
        {"Y": (N, T), "Z": (9, T)},
        ONE | {"effect": (1, T)},
    ),
    Row(
        "glm.lsa",
        lambda Y: glm.lsa(TRIALS, Y, nuisance=WAVES),
        {"Y": (N, T)},
        (5, T),
    ),
    Row(
        "glm.lss",
        lambda Y: glm.lss(TRIALS, Y, nuisance=WAVES, conditions=[0, 0, 1, 1, 0]),
        {"Y": (N, T)},
        (5, T),
    ),
    Row(
        "glm.hrf_search",
        lambda Y: data_of(
            glm.hrf_search(np.stack([TRIALS[:, :P], TRIALS[:, 2:]]), Y, nuisance=WAVES),
            "index",
            "r2",
            "coef",
        ),
        {"Y": (N, T)},
        {"index": (T,), "r2": (2, T), "coef": (P, T)},
        jumps="the best response jumps",
    ),
    Row(
        "glm.fit_voxelwise",
        lambda V, W, Y: tested(glm.fit_voxelwise(WAVES, (V, W), Y)),
        {"V": (N, T), "W": (N, T), "Y": (N, T)},
        dict.fromkeys((*TESTED, "effect"), (P + 2, T)),
    ),
    Row(
        "glm.fractional_ridge",
        lambda Y: glm.fractional_ridge(TRIALS, Y, 0.6, nuisance=WAVES),
        {"Y": (N, T)},
        FRACTIONAL,
    ),
    Row(
        "glm.fractional_ridge_cv",
        lambda Y: glm.fractional_ridge_cv(TRIALS, Y, ALPHAS / 400, FOLD),
        {"Y": (N, T)},
        {"fit": FRACTIONAL, "scores": (2, A, T), "alphas": (A,), "converged": (T,)},
        jumps=CHOICE,
    ),
    Row("glm.fdr", lambda p: glm.fdr(jnp.abs(p) / 9), {"p": (3, 10)}, (3, 10)),
]
