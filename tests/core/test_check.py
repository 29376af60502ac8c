"""Checks of arguments: what passes, what comes out, and what the messages say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro.core import check


class OnDisk:
    """Says its shape and refuses to be read."""

    shape = (6, 2)

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read")


def test_shape_is_found_without_reading():
    assert check.shape_of(OnDisk()) == (6, 2)
    assert check.shape_of([[1, 2, 3]]) == (1, 3)
    check.has_ndim("X", OnDisk(), 2)
    check.same_length("X", OnDisk(), "Y", np.ones((6, 1)))


@pytest.mark.parametrize("kind", ["float16", "float32", "bfloat16"])
def test_floats_keep_their_dtype(kind):
    x = jnp.ones((2, 3), kind)
    assert check.float_array("x", x).dtype == jnp.dtype(kind)
    assert check.float_array("x", np.asarray(x)).dtype == jnp.dtype(kind)


@pytest.mark.parametrize("kind", [bool, "int8", "uint16", "int64", "float64"])
def test_the_rest_becomes_the_default_float(kind, dtype):
    assert check.float_array("x", np.ones(3, kind), ndim=1).dtype == dtype
    assert check.float_array("x", [[1, 2]]).dtype == dtype


def test_float64_is_kept_where_it_is_enabled(x64):
    assert check.float_array("x", np.ones(3)).dtype == np.float64
    assert check.float_array("x", np.ones(3, np.float32)).dtype == np.float32


def test_checks_pass_through_tracing():
    def double(x):
        x = check.float_array("x", x, ndim=2)
        check.same_length("x", x, "x", x)
        return 2 * x

    assert_array_equal(jax.jit(double)(jnp.ones((2, 1))), [[2], [2]])
    with pytest.raises(ValueError, match="x has shape"):
        jax.jit(double)(jnp.ones(2))


def test_numbers():
    got = check.real_number("sfreq", np.float32(2.5))
    assert got == 2.5
    assert type(got) is float
    assert check.real_number("sfreq", 3) == 3.0
    check.choice("pad", None, ("zero", None))
    assert_array_equal(check.alphas("alphas", [0, 1, 1e3]), [0, 1, 1e3])
    assert check.alphas("alphas", np.ones(2, np.float32)).dtype == np.float64


def test_finite_does_not_mind_an_overflow():
    big = np.full(5, 3e38, np.float32)
    check.finite("X", big)  # the sum overflows, no value does
    check.finite("X", np.array([]))
    check.finite("X", np.arange(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: check.has_ndim("X", np.ones((2, 3)), 1),
            ValueError,
            r"^X has shape \(2, 3\) but must be one-dimensional\.$",
        ),
        (
            lambda: check.has_ndim("X", np.ones(2), 2, 3),
            ValueError,
            "must be two-dimensional or three-dimensional",
        ),
        (lambda: check.has_ndim("X", np.ones(2), 4), ValueError, "4-dimensional"),
        (
            lambda: check.float_array("X", np.ones(2, complex)),
            TypeError,
            "X has dtype complex128 but must hold real numbers; convert it to float",
        ),
        (
            lambda: check.float_array("X", np.array(["a"])),
            TypeError,
            "X has dtype <U1 but must hold real numbers",
        ),
        (
            lambda: check.float_array("X", np.array([None])),
            TypeError,
            "X has dtype object",
        ),
        (
            lambda: check.float_array("X", np.ones(4), ndim=2),
            ValueError,
            r"X has shape \(4,\) but must be two-dimensional",
        ),
        (
            lambda: check.real_number("tmin", "0"),
            TypeError,
            "tmin is '0' but must be a real number",
        ),
        (lambda: check.real_number("tmin", True), TypeError, "tmin is True but must"),
        (lambda: check.real_number("tmin", 1j), TypeError, "tmin is 1j but must"),
        (
            lambda: check.real_number("tmin", float("nan")),
            ValueError,
            "tmin is nan but must be finite",
        ),
        (
            lambda: check.choice("pad", "wrap", ("zero", "mean")),
            ValueError,
            "pad is 'wrap' but must be one of 'zero', 'mean'",
        ),
        (
            lambda: check.same_length("X", np.ones((3, 1)), "Y", np.ones(4)),
            ValueError,
            "Y has 4 time points but X has 3; trim or resample them",
        ),
        (
            lambda: check.same_length("X", np.ones(3), "Y", np.ones(4), "trials"),
            ValueError,
            "Y has 4 trials but X has 3",
        ),
        (
            lambda: check.finite("X", np.array([1, np.nan, -np.inf]), " in trial 3"),
            ValueError,
            "X has 2 NaN or infinite values in trial 3; remove, interpolate or mask",
        ),
        (
            lambda: check.finite("X", np.array([np.inf, -np.inf])),
            ValueError,
            "X has 2 NaN or infinite values;",
        ),
        (
            lambda: check.alphas("alphas", 1.0),
            ValueError,
            r"alphas has shape \(\) but must be a non-empty list",
        ),
        (
            lambda: check.alphas("alphas", []),
            ValueError,
            r"alphas has shape \(0,\) but must be a non-empty list",
        ),
        (
            lambda: check.alphas("alphas", [1, -2, np.nan]),
            ValueError,
            "alphas holds -2 but penalties must be finite and not negative",
        ),
        (
            lambda: check.alphas("alphas", [1, np.inf]),
            ValueError,
            "alphas holds inf but penalties must be finite",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
