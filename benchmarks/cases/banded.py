"""Banded ridge: searches over the weights of two bands.

The peer factors the predictors anew for each weighting and fold, so that its time
grows in proportion to the weightings: it is given some of them.
"""

import numpy as np

from cases import Arrays, Case, Data, Peer

ALPHAS = np.logspace(0, 5, 10)
N_FAST = 40  # weightings that the search without folds draws
N_COMPARED = 500  # voxels whose best of 100 weightings is known


def make(size, dtype) -> Data:
    """Two bands of predictors, which voxels weigh differently, and 20 weightings."""
    first = np.linspace(0.5, 0.1, 20 if size == "full" else 4)
    return _make(size, dtype, np.stack([first, 1 - first], axis=1))


def make_long(size, dtype) -> Data:
    """Give the same voxels, and 100 weightings drawn as the peer draws them."""
    rng = np.random.default_rng(3)
    n_iter = 100 if size == "full" else 25
    drawn = [rng.dirichlet((c, c)) for c in (0.1, 1.0) * n_iter]
    return _make(size, dtype, np.stack([[0.5, 0.5], *drawn])[:n_iter])


def _make(size, dtype, gammas) -> Data:
    n, p, t = (3000, 1000, 5000) if size == "full" else (200, 20, 30)
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, p), dtype=np.float32)
    bands = np.repeat([0, 1], p // 2)
    share = rng.random(t, dtype=np.float32)
    W = rng.standard_normal((p, t), dtype=np.float32) / np.sqrt(p)
    W *= np.where(bands[:, None] == 0, share[None], 1 - share[None])
    Y = X @ W + rng.standard_normal((n, t), dtype=np.float32)
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
    return _ours(data, gammas=data["gammas"])


def search_by_gcv(data) -> Arrays:
    """Search with the criterion that needs no folds, and compare the best by folds."""
    import jax

    return _ours(data, key=jax.random.key(0), n_iter=N_FAST, search="gcv")


def _ours(data, **options) -> Arrays:
    from jaxneuro import linear

    parts = (data[name] for name in ("X", "Y", "bands"))
    found = linear.banded_ridge_cv(*parts, ALPHAS, data["fold_id"], **options)
    return {"scores": np.asarray(found.scores)[0], "coef": np.asarray(found.fit.coef)}


def himalaya_search(data) -> Arrays:
    """Score a quarter of the given weights and fit with the best."""
    return _himalaya(data, data["gammas"][: len(data["gammas"]) // 4])


def himalaya_long(data) -> Arrays:
    """Score one of 25 of the given weights and fit with the best."""
    return _himalaya(data, data["gammas"][: len(data["gammas"]) // 25])


def _himalaya(data, gammas) -> Arrays:
    from himalaya.backend import set_backend
    from himalaya.ridge import solve_group_ridge_random_search
    from himalaya.scoring import r2_score
    from sklearn.model_selection import KFold

    set_backend("numpy")
    bands = data["bands"]
    _, coef, scores, _ = solve_group_ridge_random_search(
        [data["X"][:, bands == band] for band in (0, 1)],
        data["Y"],
        n_iter=gammas,
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
    """Largest difference of cross-validated R2 where both scored."""
    scored = ours["scores"][: len(theirs["scores"])]
    return float(np.abs(scored - theirs["scores"]).max())


def shortfall(data, ours, theirs) -> float:
    """How far the mean best R2 stays below that of all 100 weightings.

    Those are scored here for some of the voxels, by the search that gives the peer's
    scores: for the part that the peer did, they must be equal.
    """
    step = max(1, data["Y"].shape[1] // N_COMPARED)
    some = slice(None, None, step)
    known = search(data | {"Y": data["Y"][:, some]})["scores"]
    if np.abs(known[: len(theirs["scores"])] - theirs["scores"][:, some]).max() > 1e-4:
        return float("inf")
    return float(known.max(0).mean() - ours["scores"].max(0)[some].mean())


CASES = (
    Case(
        name="banded",
        title="banded ridge, 3000 x (500 + 500) -> 5000 voxels, 20 weightings, 5 folds",
        module="jaxneuro.linear",
        make=make,
        ours=search,
        peers=(
            Peer(
                name="himalaya, a quarter of the weightings x 4",
                package="himalaya",
                module="himalaya.ridge",
                run=himalaya_search,
                error=score_error,
                measure="cross-validated R2",
                tolerance={"float32": 1e-5, "float64": 1e-9},
                share=1 / 4,
            ),
        ),
        dtypes=("float32",),
    ),
    Case(
        name="banded_fast",
        title="the same by the search that needs no folds, beside 100 weightings",
        module="jaxneuro.linear",
        make=make_long,
        ours=search_by_gcv,
        peers=(
            Peer(
                name="himalaya, 4 of 100 weightings x 25",
                package="himalaya",
                module="himalaya.ridge",
                run=himalaya_long,
                error=shortfall,
                measure="mean R2 below that of 100 weightings",
                tolerance={"float32": 1e-4, "float64": 1e-4},
                share=1 / 25,
            ),
        ),
        dtypes=("float32",),
    ),
)
