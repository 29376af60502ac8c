"""How close a trained network comes to the noise ceiling of simulated neurons."""

import jax
import numpy as np
import optax
import pytest

from jaxneuro import nn, simulate
from jaxneuro.core import score


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 21])
def test_reaches_the_noise_ceiling(seed):
    """Simple and complex cells, eight repeats, two networks averaged."""
    key = jax.random.key(seed)
    images, rates = simulate.gabor_neurons(
        key, n_images=1500, shape=(24, 32), n_targets=8
    )
    counts = simulate.gabor_counts(jax.random.key(seed + 1), rates, 8)
    measured, rates = np.asarray(counts.mean(0)), np.asarray(rates)
    X = np.asarray((images - images.mean()) / images.std())
    train, test = slice(0, 1200), slice(1200, 1500)

    def build(rngs):
        net = nn.Encoder(
            core=nn.ConvCore((16, 24), kernel_sizes=(9, 5), pooling=(2,)),
            readout=nn.FactorizedReadout(8),
            shape=(24, 32, 1),
            rngs=rngs,
        )
        net.start_at(measured[train].mean(0))
        return net

    apply, _ = nn.functional(build(0))
    fit = nn.train_ensemble(
        build,
        X[train],
        measured[train],
        np.arange(1200) % 8,
        keys=jax.random.split(key, 2),
        validation="left_out",
        stop_on="correlation",
        patience=8,
        n_decays=2,
        n_epochs=75,
        batch_size=32,
        penalty=nn.Penalty(apply, laplace=0.3, readout_l1=1e-5),
        optimizer=optax.adam(8e-3),
    )
    guess = jax.vmap(lambda v: apply(v, X[test]))(fit.variables).mean(0)
    reached = np.asarray(score.correlation(measured[test], guess))
    ceiling = np.asarray(score.correlation(measured[test], rates[test]))
    assert reached.mean() >= 0.9 * ceiling.mean()
