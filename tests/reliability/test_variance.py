import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import reliability

EPS = 1e-8  # added to standard deviations by the reference programs


def known(cube, target):
    """Responses of a target to each stimulus."""
    columns = [cube[:, stimulus, target] for stimulus in range(cube.shape[1])]
    columns = [column[~np.isnan(column)] for column in columns]
    return [column for column in columns if column.size]


def noise(groups):
    return np.mean([group.var(ddof=1) for group in groups if group.size > 1])


@pytest.mark.parametrize("kind", ["counts", "ragged"])
def test_formulas(kind, request, dtype, tol):
    cube = request.getfixturevalue(kind)
    for target in range(cube.shape[2]):
        groups = known(cube, target)
        total = np.concatenate(groups).var(ddof=1)
        means = np.array([group.mean() for group in groups])
        rest = np.mean([noise(groups) / group.size for group in groups])
        signal = means.var(ddof=1) - rest
        one = cube[:, :, target : target + 1].astype(dtype)
        found = reliability.fev(one)
        assert found.dtype == dtype
        assert_allclose(found, [1 - noise(groups) / total], **tol)
        ceiling = np.sqrt(max(signal, 0) / means.var(ddof=1))
        assert_allclose(reliability.noise_ceiling(one), [ceiling], **tol)
        single = np.sqrt(max(signal, 0) / (signal + noise(groups)))
        found = reliability.noise_ceiling(one, average=False)
        assert_allclose(found, [single], **tol)
        found = reliability.snr(one, anscombe=False)
        assert_allclose(found, [means.var() / noise(groups)], **tol)


def test_explainable_variance_equals_the_formula(counts, tol):
    share = counts.mean(0).var(0) / counts.var(1).mean(0)
    found = reliability.explainable_variance(counts, corrected=False)
    assert_allclose(found, share, **tol)
    corrected = share - (1 - share) / (len(counts) - 1)
    assert_allclose(reliability.explainable_variance(counts), corrected, **tol)


def test_ceilings_recover_the_truth(rng):
    spread = np.array([0.6, 1.0, 3.0])
    means = rng.standard_normal((3000, 3)) * spread
    cube = means + rng.standard_normal((5, 3000, 3))
    cube[4, ::2] = np.nan
    share = spread**2 / (spread**2 + 1)
    assert_allclose(reliability.fev(cube), share, atol=0.03)
    assert_allclose(reliability.explainable_variance(cube), share, atol=0.05)
    ceiling = reliability.noise_ceiling(cube)
    # No model does better than the true means.
    best = reliability.average_correlation(cube, means)
    assert_allclose(ceiling, best, atol=0.05)
    single = reliability.noise_ceiling(cube, average=False)
    assert_allclose(single, reliability.trial_correlation(cube, means), atol=0.03)
    assert_allclose(reliability.normalized_correlation(cube, means), 1, atol=0.1)
    assert_allclose(reliability.feve(cube, means), 1, atol=0.1)


def test_pure_noise_has_no_ceiling(rng):
    cube = rng.standard_normal((4, 500, 30))
    ceiling = reliability.noise_ceiling(cube)
    assert ((ceiling >= 0) & (ceiling < 0.4)).all()
    assert (ceiling == 0).any()  # about half fall below
    with pytest.warns(UserWarning, match=r"correlation is undefined \(nan\) for"):
        normalized = reliability.normalized_correlation(cube, cube[0])
    np.testing.assert_array_equal(np.isnan(normalized), ceiling == 0)


@pytest.mark.parametrize("per_repeat", [False, True])
def test_scores_of_predictions(ragged, rng, per_repeat, tol):
    shape = ragged.shape if per_repeat else ragged.shape[1:]
    prediction = rng.standard_normal(shape) + 2
    whole = np.broadcast_to(prediction, ragged.shape)
    there = ~np.isnan(ragged)
    trial = reliability.trial_correlation(ragged, prediction)
    average = reliability.average_correlation(ragged, prediction)
    feve = reliability.feve(ragged, prediction)
    for t in range(ragged.shape[2]):
        y, x = ragged[..., t][there[..., t]], whole[..., t][there[..., t]]
        assert_allclose(trial[t], np.corrcoef(y, x)[0, 1], **tol)
        groups = known(ragged, t)
        left, total = noise(groups), y.var(ddof=1)
        expected = 1 - (((y - x) ** 2).mean() - left) / (total - left)
        assert_allclose(feve[t], expected, **tol)
        pairs = [
            (ragged[there[:, s, t], s, t].mean(), whole[there[:, s, t], s, t].mean())
            for s in np.flatnonzero(there[..., t].any(0))
        ]
        assert_allclose(average[t], np.corrcoef(np.array(pairs).T)[0, 1], **tol)


def test_normalized_is_the_share_of_the_ceiling(counts, rng, tol):
    prediction = counts.mean(0) + rng.standard_normal(counts.shape[1:])
    share = reliability.average_correlation(counts, prediction)
    share = share / reliability.noise_ceiling(counts)
    found = reliability.normalized_correlation(counts, prediction)
    assert_allclose(found, share, **tol)


def test_golden(oracle, x64):
    counts = oracle["counts"].transpose(1, 0, 2).astype(float)
    prediction = oracle["pred"].transpose(1, 0, 2)
    assert_allclose(reliability.fev(counts), oracle["fev"], atol=1e-9)
    assert_allclose(reliability.fev(counts), oracle["explainable_var"], atol=1e-9)
    assert_allclose(reliability.snr(counts), oracle["snr"], atol=1e-9)
    # The last neuron has more noise than variance, its prediction is constant.
    with pytest.warns(UserWarning, match="FEVE is undefined .* 1 of 6 targets"):
        feve = reliability.feve(counts, prediction)
    assert_allclose(feve[:5], oracle["feve"][:5], atol=1e-9)
    assert np.isnan(feve[5])
    sides = {
        "trials": (reliability.trial_correlation, counts, prediction, (0, 1)),
        "mean": (
            reliability.average_correlation,
            counts.mean(0),
            prediction.mean(0),
            0,
        ),
    }
    for name, (function, y, x, axis) in sides.items():
        with pytest.warns(UserWarning, match="1 of 6 targets"):
            found = function(counts, prediction)
        shrink = np.ones(6)
        for part in (y, x):
            shrink = shrink * part.std(axis) / (part.std(axis) + EPS)
        expected = oracle[f"corr_{name}"][:5]
        assert_allclose((found * shrink)[:5], expected, atol=1e-9)


def test_constant_targets_are_nan_and_counted(counts):
    counts[:, :, 2] = 7.3
    for name in ("fev", "explainable_variance", "noise_ceiling", "snr"):
        with pytest.warns(UserWarning, match=r"1 of 5 targets.*: 2\."):
            found = getattr(reliability, name)(counts)
        assert np.isnan(found).nonzero()[0].tolist() == [2], name


def test_errors(counts):
    for name in ("feve", "trial_correlation", "average_correlation"):
        with pytest.raises(
            ValueError, match="prediction has shape .* 15 stimuli and 5"
        ):
            getattr(reliability, name)(counts, counts[0, :4])
    with pytest.raises(ValueError, match="prediction has one value per repeat"):
        reliability.normalized_correlation(counts, counts)
    with pytest.raises(ValueError, match="prediction has shape .* must be two-dim"):
        reliability.feve(counts, counts[0, 0])
