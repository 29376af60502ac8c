"""Banded ridge: a random search over weights of two bands."""

import numpy as np

from cases import Arrays, Case, Data, Peer

ALPHAS = np.logspace(0, 5, 10)


def make(size, dtype) -> Data:
    """Two bands of predictors of which each voxel prefers one."""
    n, p, t, n_iter = (3000, 1000, 5000, 5) if size == "full" else (200, 20, 30, 3)
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, p), dtype=np.float32)
    bands = np.repeat([0, 1], p // 2)
    share = rng.random(t, dtype=np.float32)
    W = rng.standard_normal((p, t), dtype=np.float32) / np.sqrt(p)
    W *= np.where(bands[:, None] == 0, share[None], 1 - share[None])
    Y = X @ W + rng.standard_normal((n, t), dtype=np.float32)
    first = np.linspace(0.5, 0.1, n_iter)
    gammas = np.stack([first, 1 - first], axis=1)
    from jaxneuro.core import folds

    return {
        "X": X.astype(dtype),
        "Y": Y.astype(dtype),
        "bands": bands,
        "gammas": gammas.astype(dtype),
        "fold_id": folds.kfold(n, 5),
    }


def search(data) -> Arrays:
    """Score the given weights and fit with the best."""
    from jaxneuro import linear

    found = linear.banded_ridge_cv(
        data["X"],
        data["Y"],
        data["bands"],
        ALPHAS,
        data["fold_id"],
        gammas=data["gammas"],
    )
    return {"scores": np.asarray(found.scores)[0], "coef": np.asarray(found.fit.coef)}


def himalaya_search(data) -> Arrays:
    """Score the given weights and fit with the best."""
    from himalaya.backend import set_backend
    from himalaya.ridge import solve_group_ridge_random_search
    from himalaya.scoring import r2_score
    from sklearn.model_selection import KFold

    set_backend("numpy")
    bands = data["bands"]
    _, coef, scores, _ = solve_group_ridge_random_search(
        [data["X"][:, bands == band] for band in (0, 1)],
        data["Y"],
        n_iter=data["gammas"],
        alphas=ALPHAS.astype(data["X"].dtype),
        fit_intercept=True,
        score_func=r2_score,
        cv=KFold(5),
        return_weights=True,
        n_targets_batch=1000,
        n_alphas_batch=5,
        progress_bar=False,
        warn=False,
    )
    return {"scores": scores, "coef": coef}


def score_error(_, ours, theirs) -> float:
    """Largest difference of cross-validated R2."""
    return float(np.abs(ours["scores"] - theirs["scores"]).max())


CASES = (
    Case(
        name="banded",
        title="banded ridge, 3000 x (500 + 500) -> 5000 voxels, 5 weightings, 5 folds",
        module="jaxneuro.linear",
        make=make,
        ours=search,
        peers=(
            Peer(
                name="himalaya",
                package="himalaya",
                module="himalaya.ridge",
                run=himalaya_search,
                error=score_error,
                measure="cross-validated R2",
                tolerance={"float32": 1e-5, "float64": 1e-9},
            ),
        ),
        dtypes=("float32",),
    ),
)
