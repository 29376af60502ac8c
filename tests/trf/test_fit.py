import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import core, trf
from jaxneuro.signal import Lags

ALPHAS = np.logspace(-1, 4, 6)


def flat(coef):
    return np.asarray(coef).reshape(-1, coef.shape[-1])


def test_equals_explicit_ridge(rec, tol):
    fit = trf.fit(rec.X, rec.Y, rec.lags, 5.0, trial_id=rec.trial_id)
    coef, intercept = rec.ridge(5.0)
    assert fit.coef.shape == (8, 3, 2)
    assert_allclose(flat(fit.coef), coef, **tol)
    assert_allclose(fit.intercept, intercept, **tol)
    predicted = trf.predict(fit, rec.X, trial_id=rec.trial_id)
    assert_allclose(predicted, rec.D @ coef + intercept, rtol=1e-3, atol=1e-3)


def test_alpha_per_target(rec, tol):
    fit = trf.fit(rec.X, rec.Y, rec.lags, [5.0, 700.0], trial_id=rec.trial_id)
    assert_allclose(flat(fit.coef)[:, 0], rec.ridge(5.0)[0][:, 0], **tol)
    assert_allclose(flat(fit.coef)[:, 1], rec.ridge(700.0)[0][:, 1], **tol)


def test_without_intercept(rec, tol):
    fit = trf.fit(
        rec.X, rec.Y, rec.lags, 5.0, trial_id=rec.trial_id, fit_intercept=False
    )
    gram = rec.D.T @ rec.D + 5.0 * np.eye(rec.D.shape[1])
    assert_allclose(flat(fit.coef), np.linalg.solve(gram, rec.D.T @ rec.Y), **tol)
    assert_allclose(fit.intercept, 0, atol=1e-6)


def laplacian(n):
    out = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    out[0, 0] = out[-1, -1] = 1
    return out


@pytest.mark.parametrize(
    ("penalty", "matrix"),
    [
        ("laplacian", np.kron(laplacian(8), np.eye(3))),
        (("ridge", "laplacian"), np.kron(np.eye(8), laplacian(3))),
        (
            ("laplacian", "laplacian"),
            np.kron(laplacian(8), np.eye(3)) + np.kron(np.eye(8), laplacian(3)),
        ),
        (
            np.arange(1.0, 25).reshape(8, 3),
            np.diag(np.arange(1.0, 25)),
        ),
        (np.eye(24) + 0.1, np.eye(24) + 0.1),
    ],
)
def test_penalties(rec, tol, penalty, matrix):
    options = {"trial_id": rec.trial_id, "penalty": penalty}
    fit = trf.fit(rec.X, rec.Y, rec.lags, 30.0, **options)
    assert_allclose(flat(fit.coef), rec.ridge(30.0, penalty=matrix)[0], **tol)
    # The decomposition that serves many penalties gives the same.
    fit = trf.fit(rec.X, rec.Y, rec.lags, [30.0, 30.0], **options)
    loose = {"rtol": 50 * tol["rtol"], "atol": 50 * tol["atol"]}
    assert_allclose(flat(fit.coef), rec.ridge(30.0, penalty=matrix)[0], **loose)


def test_support_gives_bands_their_own_window(rec, tol):
    support = np.ones((8, 3), bool)
    support[:3, 1] = support[5:, 2] = False
    free = support.ravel()
    fit = trf.fit(rec.X, rec.Y, rec.lags, 5.0, trial_id=rec.trial_id, support=support)
    D = rec.D[:, free] - rec.D[:, free].mean(0)
    Y = rec.Y - rec.Y.mean(0)
    expected = np.linalg.solve(D.T @ D + 5 * np.eye(free.sum()), D.T @ Y)
    assert_allclose(flat(fit.coef)[free], expected, **tol)
    assert (flat(fit.coef)[~free] == 0).all()


@pytest.fixture(scope="module", params=["eigh", "cholesky"])
def method(request):
    """Either way to solve for many penalties, which tracing takes as it stands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core.ridge, "_EIGH_FEATURES", 99 * (request.param == "eigh"))
        jax.clear_caches()
        yield request.param
    jax.clear_caches()


@pytest.mark.usefixtures("method")
def test_cross_validation_equals_explicit(rec, tol, metric):
    name, oracle = metric
    result = trf.fit_cv(
        rec.X, rec.Y, rec.lags, ALPHAS, rec.trial_id, trial_id=rec.trial_id, metric=name
    )
    expected = rec.cv(ALPHAS, rec.trial_id, oracle)
    assert_allclose(result.scores, expected, rtol=1e-4, atol=10 * tol["atol"])
    best = ALPHAS[expected.mean(0).argmax(0)]
    assert_allclose(result.fit.alpha, best, rtol=1e-6)
    for target in range(2):
        coef = rec.ridge(best[target])[0][:, target]
        assert_allclose(flat(result.fit.coef)[:, target], coef, **tol)
    assert result.converged.all()


def test_folds_that_cut_through_trials(rec, tol):
    fold_id = core.folds.kfold(len(rec.X), 3)
    result = trf.fit_cv(rec.X, rec.Y, rec.lags, ALPHAS, fold_id, trial_id=rec.trial_id)

    def r2(y, p):
        return 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)

    expected = rec.cv(ALPHAS, fold_id, r2)
    assert_allclose(result.scores, expected, rtol=1e-4, atol=10 * tol["atol"])


def test_targets_of_a_group_share_alpha(rec):
    options = {"trial_id": rec.trial_id, "alpha_groups": [4, 4]}
    result = trf.fit_cv(rec.X, rec.Y, rec.lags, ALPHAS, rec.trial_id, **options)
    best = ALPHAS[np.asarray(result.scores).mean((0, 2)).argmax()]
    assert_allclose(result.fit.alpha, [best, best], rtol=1e-6)


def test_scores_by_trial(rec):
    fold_id = np.array([0, 0, 1, 1])[rec.trial_id]
    result = trf.fit_cv(
        rec.X,
        rec.Y,
        rec.lags,
        ALPHAS,
        fold_id,
        trial_id=rec.trial_id,
        metric="correlation",
        score_by="trial",
    )
    for fold in range(2):
        for a, alpha in enumerate(ALPHAS):
            coef, intercept = rec.ridge(alpha, fold_id != fold)
            each = []
            for trial in np.unique(rec.trial_id[fold_id == fold]):
                rows = rec.trial_id == trial
                p = rec.D[rows] @ coef + intercept
                each.append(
                    [np.corrcoef(rec.Y[rows, t], p[:, t])[0, 1] for t in range(2)]
                )
            assert_allclose(result.scores[fold, a], np.mean(each, 0), atol=2e-4)


def test_gcv_equals_its_formula(rec, tol):
    result = trf.fit_gcv(rec.X, rec.Y, rec.lags, ALPHAS, trial_id=rec.trial_id)
    n = len(rec.X)
    D, Y = rec.D - rec.D.mean(0), rec.Y - rec.Y.mean(0)
    for a, alpha in enumerate(ALPHAS):
        hat = D @ np.linalg.solve(D.T @ D + alpha * np.eye(D.shape[1]), D.T)
        dof = np.trace(hat) + 1
        gcv = (((Y - hat @ Y) ** 2).sum(0) / n) / (1 - dof / n) ** 2
        null = ((Y**2).sum(0) / n) / (1 - 1 / n) ** 2
        assert_allclose(result.scores[0, a], 1 - gcv / null, **tol)


def test_banded_equals_scaled_ridge(rec, tol):
    bands = np.array([0, 1, 1])
    result = trf.fit_banded_cv(
        rec.X,
        rec.Y,
        rec.lags,
        [1.0, 30.0, 900.0],
        rec.trial_id,
        bands=bands,
        trial_id=rec.trial_id,
    )
    assert result.scores.shape == (4, 9, 2)
    assert result.alphas.shape == (9, 2)
    mean = np.asarray(result.scores).mean(0)
    for target in range(2):
        chosen = np.asarray(result.alphas)[mean[:, target].argmax()]
        assert_allclose(result.fit.alpha[:, target], chosen, rtol=1e-6)
        penalty = np.diag(np.tile(chosen[bands], 8))
        expected = rec.ridge(1.0, penalty=penalty)[0][:, target]
        assert_allclose(flat(result.fit.coef)[:, target], expected, **tol)


def test_mask_removes_artefacts(rec, tol):
    mask = np.ones(len(rec.X), bool)
    mask[40:60] = mask[200:203] = False
    Y = rec.Y.copy()
    Y[40:60] = 1e4
    Y[201] = np.nan
    fit = trf.fit(rec.X, Y, rec.lags, 5.0, trial_id=rec.trial_id, mask=mask)
    coef, intercept = rec.ridge(5.0, mask)
    assert_allclose(flat(fit.coef), coef, **tol)
    assert_allclose(fit.intercept, intercept, **tol)


@pytest.mark.parametrize("pad", ["zero", "mean", "drop"])
@pytest.mark.parametrize("block_size", [64, 1000])
def test_reading_in_blocks_changes_nothing(rec, tol, pad, block_size):
    options = {"trial_id": rec.trial_id, "pad": pad}
    whole = trf.fit_cv(rec.X, rec.Y, rec.lags, ALPHAS, rec.trial_id, **options)
    parts = trf.fit_cv(
        rec.X, rec.Y, rec.lags, ALPHAS, rec.trial_id, block_size=block_size, **options
    )
    assert_allclose(parts.fit.coef, whole.fit.coef, **tol)
    assert_allclose(parts.scores, whole.scores, rtol=1e-3, atol=10 * tol["atol"])


def test_constant_target_has_no_score(rec):
    Y = rec.Y.copy()
    Y[:, 1] = 3.0
    result = trf.fit_cv(rec.X, Y, rec.lags, ALPHAS, rec.trial_id, trial_id=rec.trial_id)
    assert np.isnan(result.scores[..., 1]).all()
    assert np.asarray(result.converged).tolist() == [True, False]
    assert_allclose(result.fit.coef[..., 1], 0, atol=1e-5)
    assert_allclose(result.fit.intercept[1], 3.0, rtol=1e-5)


def test_jits_and_keeps_dtype(rec, dtype):
    def run(X, Y):
        return trf.fit(X, Y, rec.lags, 2.0, trial_id=rec.trial_id).coef

    inside = jax.jit(run)(rec.X, rec.Y)
    assert inside.dtype == dtype
    assert_allclose(inside, run(rec.X, rec.Y), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: trf.fit(r.X, r.Y, r.lags, [1.0] * 3), r"alpha has shape \(3,\)"),
        (
            lambda r: trf.fit(r.X, r.Y, r.lags, 1.0, penalty="lasso"),
            "penalty is 'lasso' but must be one of 'ridge', 'laplacian'",
        ),
        (
            lambda r: trf.fit(r.X, r.Y, r.lags, 1.0, penalty=np.ones((2, 2))),
            r"penalty has shape \(2, 2\) but must be \(8, 3\)",
        ),
        (
            lambda r: trf.fit(r.X, r.Y, r.lags, 1.0, support=np.ones((8, 2), bool)),
            r"support has shape \(8, 2\)",
        ),
        (
            lambda r: trf.fit(r.X, r.Y, r.lags, 1.0, center="median"),
            "center is 'median'",
        ),
        (
            lambda r: trf.fit(r.X, r.Y, r.lags, 1.0, penalty_scale="mean"),
            "penalty_scale is 'mean'",
        ),
        (
            lambda r: trf.fit_cv(r.X, r.Y, r.lags, ALPHAS, r.trial_id, metric="auc"),
            "metric is 'auc'",
        ),
        (
            lambda r: trf.fit_cv(r.X, r.Y, r.lags, ALPHAS, r.trial_id + 1),
            "fold_id holds the folds",
        ),
        (
            lambda r: trf.fit_cv(r.X, r.Y, r.lags, ALPHAS, r.trial_id[:9]),
            "fold_id has 9 time points but X has 654",
        ),
        (
            lambda r: trf.predict(trf.fit(r.X, r.Y, r.lags, 1.0), r.Y),
            "X has 2 features but the model was fitted with 3",
        ),
        (
            lambda r: trf.fit(
                r.X, r.Y, r.lags, 1.0, block_size=9, mask=np.ones(len(r.X), bool)
            ),
            "mask is given together with block_size",
        ),
        (
            lambda r: trf.fit_banded_cv(
                r.X, r.Y, r.lags, [0.0], r.trial_id, bands=[0, 0, 1]
            ),
            "alphas holds 0 but penalties of bands must be positive",
        ),
        (
            lambda r: trf.fit_banded_cv(r.X, r.Y, r.lags, [1.0], r.trial_id, bands=[0]),
            r"bands has shape \(1,\) but must be \(3,\)",
        ),
        (lambda r: Lags(0.3, 0.1, 10), "tmin is 0.3 s but tmax is 0.1 s"),
        (lambda r: Lags(0.0, 0.1, 0), "sfreq is 0 but must be positive"),
        (lambda r: Lags(0.0, "a", 9), "tmax is 'a' but must be a real number"),
    ],
)
def test_bad_input(rec, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(rec)
