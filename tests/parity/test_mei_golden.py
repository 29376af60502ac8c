"""Numbers of the notebook's ascent and of Walker's filter."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import io, mei, nn


@pytest.fixture
def golden(shared):
    def read(name):
        with np.load(shared / "golden" / "mei" / f"{name}.npz") as file:
            return dict(file)

    return read


@pytest.fixture
def network(golden):
    state = {k[2:]: v for k, v in golden("seed_cnn_weights").items()}
    net = nn.Encoder(
        core=nn.ConvCore((64, 64, 64), kernel_sizes=(4, 3), pooling=(2,)),
        readout=nn.PyramidReadout(1, positive=True),
        shape=(60, 96, 1),
        output="identity",
        rngs=0,
    )
    apply, variables = nn.functional(net)
    return apply, io.from_torch(state, variables)


def filtered(image, power, kind, dtype):
    transform = mei.scale_by_spectrum(power, kind=kind)
    image = jnp.asarray(image, dtype)[:, :, None]
    return transform.update(image, transform.init(image))[0][:, :, 0]


def close(got, expected):
    assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_filters(golden, dtype):
    run = golden("mei_run")
    for name, power in (("fft_quarter", 0.25), ("fft_half", 0.5)):
        close(filtered(run["grad0"], power, "notebook", dtype), run[name])
    close(filtered(run["fft_in"], 0.25, "notebook", dtype), run["fft_out"])
    for factor in (0.1, 0.25, 0.5):
        # The factor is an exponent of the squared frequency.
        got = filtered(run["fft_in"], 2 * factor, "walker", dtype)
        close(got, run[f"walker_{factor}"])


@pytest.mark.parametrize(
    ("sigma", "folded"),
    [
        (7, True),
        pytest.param(1, True, marks=pytest.mark.slow),
        pytest.param(7, False, marks=pytest.mark.slow),
        pytest.param(1, False, marks=pytest.mark.slow),
    ],
)
def test_fifty_steps(golden, network, sigma, folded, dtype):
    run = golden("mei_run")
    apply, variables = nn.fold(*network) if folded else network
    start = jnp.asarray(run["start"], dtype)[None, :, :, None]
    options = mei.notebook(n_steps=50, sigma=sigma, contrast=float(run["c_star"]))
    found = mei.ascend(apply, variables, start, [0], **options)
    assert_allclose(found.images[0, :, :, 0], run[f"s{sigma}_mei"], atol=1e-5, rtol=0)
    responses = np.asarray(found.responses)[:, 0]
    assert_allclose(responses[:-1], run[f"s{sigma}_response"], rtol=1e-5)
    assert_allclose(responses[-1], run[f"s{sigma}_final_response"], rtol=1e-5)
    std = np.asarray(found.contrasts)[:-1, 0] * np.sqrt(5760 / 5759)
    assert_allclose(std, run[f"s{sigma}_std"], rtol=1e-5)
    price = 2 * np.abs(run["c_star"] - std)
    penalised = responses[:-1] - price
    assert_allclose(penalised, run[f"s{sigma}_r_regularised"], rtol=2e-5)
    sigmas = mei.blur_schedule(50, sigma, 0.001, kind="notebook")
    assert_allclose(sigmas, run[f"s{sigma}_sigma"], rtol=1e-6)
