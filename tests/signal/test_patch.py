import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import signal

NUMBERS = {"wavelength": 6.0, "orientation": 0.4, "phase": 1.0, "sigma": 3.0}


def oracle(shape, wavelength, orientation, phase, sigma, center):
    """Draw pixel by pixel."""
    image = np.zeros(shape)
    for r in range(shape[0]):
        for c in range(shape[1]):
            down = r - (shape[0] - 1) / 2 - shape[0] * center[0]
            across = c - (shape[1] - 1) / 2 - shape[1] * center[1]
            along = np.cos(orientation) * across + np.sin(orientation) * down
            wave = np.cos(2 * np.pi * along / wavelength + phase)
            image[r, c] = wave * np.exp(-(down**2 + across**2) / (2 * sigma**2))
    return image


def test_one_and_many_equal_the_formula(tol, dtype):
    expected = oracle((9, 14), center=(0.1, -0.2), **NUMBERS)
    one = signal.gabor((9, 14), center=(0.1, -0.2), **NUMBERS)
    assert one.dtype == dtype
    assert_allclose(one, expected, **tol)
    phases, centers = np.array([1.0, 2.5]), np.array([[0.1, -0.2], [-0.3, 0.0]])
    some = NUMBERS | {"phase": jnp.asarray(phases, dtype)}
    many = signal.gabor((9, 14), center=jnp.asarray(centers, dtype), **some)
    assert many.shape == (2, 9, 14)
    assert_allclose(many[0], expected, **tol)
    second = oracle((9, 14), center=centers[1], **(NUMBERS | {"phase": 2.5}))
    assert_allclose(many[1], second, **tol)


def test_a_wave_without_end_leaves_the_envelope(tol):
    numbers = NUMBERS | {"wavelength": np.inf, "phase": 0.0}
    found = signal.gabor((9, 14), **numbers)
    row, column = np.indices((9, 14)) - np.array([4, 6.5])[:, None, None]
    assert_allclose(found, np.exp(-(row**2 + column**2) / 18), **tol)


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"shape is \(9,\) but must hold height"):
        signal.gabor((9,), **NUMBERS)
    with pytest.raises(
        ValueError, match=r"\(\), \(\), \(3,\), \(\), \(2, 2\) but must"
    ):
        signal.gabor(
            (9, 9), **(NUMBERS | {"phase": np.ones(3)}), center=np.ones((2, 2))
        )
    with pytest.raises(ValueError, match="and center two"):
        signal.gabor((9, 9), **NUMBERS, center=(0.0, 0.0, 0.0))
