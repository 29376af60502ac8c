import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import linear, simulate


def test_known_fields_are_recovered():
    key = jax.random.key(3)
    stimuli, bold = simulate.pixel_voxels(key, n_samples=2860, n_targets=50)
    fields = np.asarray(simulate.pixel_fields(key, (10, 10), 50))
    assert stimuli.shape == (2860, 100)
    assert np.unique(stimuli).tolist() == [0, 1]
    assert_allclose((fields**2).sum(0), 1, rtol=1e-5)
    assert_allclose(np.std(bold, 0), 1, atol=0.1)
    fold_id = np.arange(2860) % 5
    result = linear.ridge_cv(stimuli, bold, np.logspace(0, 4, 9), fold_id)
    score = np.asarray(result.scores)[0].max(0)
    coef = np.asarray(result.fit.coef)
    match = [np.corrcoef(coef[:, t], fields[:, t])[0, 1] for t in range(50)]
    good = score > 0.1
    assert good.sum() > 25
    assert np.min(np.asarray(match)[good]) > 0.8
    assert 0.4 < score.max() < 0.55


def test_other_shapes():
    stimuli, bold = simulate.pixel_voxels(
        jax.random.key(1), n_samples=7, shape=(4, 6), n_targets=3
    )
    assert stimuli.shape == (7, 24)
    assert bold.shape == (7, 3)
    with pytest.raises(ValueError, match="n_samples is 0 but must be positive"):
        simulate.pixel_voxels(jax.random.key(0), n_samples=0)
    with pytest.raises(ValueError, match="n_targets is -1 but must be positive"):
        simulate.pixel_fields(jax.random.key(0), n_targets=-1)
