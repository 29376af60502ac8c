"""Voxelwise ridge: the pixels of Miyawaki's experiment, and a search over penalties."""

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

# -- pixels: 100 predictors, 5438 voxels, one penalty, R2 per voxel and fold ---------


def make_pixels(size, dtype) -> Data:
    """Random binary images and noisy voxels of the size of the tutorial's."""
    n_samples, n_targets = (2860, 5438) if size == "full" else (300, 60)
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (n_samples, 100)).astype(np.float32)
    W = rng.standard_normal((100, n_targets), dtype=np.float32) / 20
    Y = X @ W + rng.standard_normal((n_samples, n_targets), dtype=np.float32)
    from jaxneuro.core import folds

    fold_id = folds.kfold(n_samples, 10)
    return {"X": X.astype(dtype), "Y": Y.astype(dtype), "fold_id": fold_id}


def score_pixels(data) -> Arrays:
    """Scores of all folds, and the fit of all samples besides."""
    from jaxneuro import linear

    found = linear.ridge_cv(
        data["X"], data["Y"], [100.0], data["fold_id"], keep_scores=True
    )
    return {"r2": np.asarray(found.scores)[:, 0], "coef": np.asarray(found.fit.coef)}


def sklearn_pixels(data) -> Arrays:
    """Do as the tutorial does."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score

    X, Y, scores = data["X"], data["Y"], []
    for fold in range(10):
        test = data["fold_id"] == fold
        p = Ridge(alpha=100.0).fit(X[~test], Y[~test]).predict(X[test])
        scores.append(r2_score(Y[test], p, multioutput="raw_values"))
    return {"r2": np.array(scores)}


def r2_error(_, ours, theirs) -> float:
    """Largest difference of scores."""
    return float(np.abs(ours["r2"] - theirs["r2"]).max())


# -- search: 1000 predictors, 50 000 voxels, 10 penalties, 5 folds -------------------

ALPHAS = np.logspace(0, 5, 10)


def make_search(size, dtype) -> Data:
    """Predictors whose variances fall as a power law, and noisy voxels."""
    n, p, t = (3000, 1000, 50_000) if size == "full" else (200, 30, 50)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, p), dtype=np.float32)
    X *= np.arange(1, p + 1, dtype=np.float32) ** -0.5
    X /= X.std()
    W = rng.standard_normal((p, t), dtype=np.float32) / np.sqrt(p)
    Y = X @ W + rng.standard_normal((n, t), dtype=np.float32)
    from jaxneuro.core import folds

    fold_id = folds.kfold(n, 5)
    return {"X": X.astype(dtype), "Y": Y.astype(dtype), "fold_id": fold_id}


def search_folds(data) -> Arrays:
    """Choose by the squared error, as the peer does."""
    return _search(data, data["fold_id"])


def search_gcv(data) -> Arrays:
    """Choose by generalised cross-validation: another criterion, no folds."""
    return _search(data, "gcv")


def _search(data, fold_id) -> Arrays:
    from jaxneuro import linear

    found = linear.ridge_cv(data["X"], data["Y"], ALPHAS, fold_id, metric="mse")
    return {"coef": np.asarray(found.fit.coef), "alpha": np.asarray(found.fit.alpha)}


def himalaya_search(data) -> Arrays:
    """Search in batches that hold predictions of a gigabyte at most."""
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import KFold

    set_backend("numpy")
    params = {"n_targets_batch": 2000, "n_alphas_batch": 5, "warn": False}
    alphas = ALPHAS.astype(data["X"].dtype)
    model = RidgeCV(alphas, cv=KFold(5), fit_intercept=True, solver_params=params)
    model.fit(data["X"], data["Y"])
    return {"coef": model.coef_, "alpha": model.best_alphas_}


def same_choice(_, ours, theirs) -> float:
    """Largest difference of coefficients; a target's other choice counts fully."""
    return relative(ours["coef"], theirs["coef"])


def gcv_error(_, ours, theirs) -> float:
    """Mean distance of the choices, in decades: two estimates of one optimum."""
    return float(np.abs(np.log10(ours["alpha"] / theirs["alpha"])).mean())


HIMALAYA = {
    "name": "himalaya",
    "package": "himalaya",
    "module": "himalaya.ridge",
    "run": himalaya_search,
}
CASES = (
    Case(
        name="pixels",
        title="ridge, 2860 x 100 -> 5438 voxels, R2 of 10 folds",
        module="jaxneuro.linear",
        make=make_pixels,
        ours=score_pixels,
        peers=(
            Peer(
                name="scikit-learn",
                package="scikit-learn",
                module="sklearn.linear_model",
                run=sklearn_pixels,
                error=r2_error,
                measure="R2",
                tolerance={"float32": 5e-6, "float64": 1e-9},
            ),
        ),
    ),
    Case(
        name="ridge_search",
        title="ridge, 3000 x 1000 -> 50 000 voxels, 10 alphas, 5 folds",
        module="jaxneuro.linear",
        make=make_search,
        ours=search_folds,
        peers=(
            Peer(
                **HIMALAYA,
                error=same_choice,
                measure="coefficients, of the largest",
                tolerance={"float32": 1e-3, "float64": 1e-9},
            ),
        ),
        dtypes=("float32",),
    ),
    Case(
        name="ridge_gcv",
        title="the same search by generalised cross-validation",
        module="jaxneuro.linear",
        make=make_search,
        ours=search_gcv,
        peers=(
            Peer(
                **HIMALAYA,
                error=gcv_error,
                measure="decades between the choices, mean",
                tolerance={"float32": 0.5, "float64": 0.5},
            ),
        ),
        dtypes=("float32",),
    ),
)
