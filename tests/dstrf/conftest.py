import dataclasses

import jax
import jax.numpy as jnp
import pytest

from jaxneuro.signal import Lags


@dataclasses.dataclass(frozen=True)
class Layer:
    kernel: jax.Array
    bias: jax.Array | None
    dilation: int
    activation: object


@dataclasses.dataclass(frozen=True)
class Stack:
    """A causal network written out densely, that describes its layers."""

    dilations: tuple = (1, 2, 1)
    activation: object = jax.nn.relu

    def layers(self, variables):
        last = len(variables) - 1
        return [
            Layer(
                kernel, bias, dilation, (lambda y: y) if i == last else self.activation
            )
            for i, ((kernel, bias), dilation) in enumerate(
                zip(variables, self.dilations, strict=True)
            )
        ]

    def __call__(self, variables, windows):
        layers = self.layers(variables)
        back = sum(layer.dilation * (len(layer.kernel) - 1) for layer in layers)
        x = jnp.pad(windows[:, ::-1], ((0, 0), (back, 0), (0, 0)))  # oldest first
        for layer in layers:
            n_taps = layer.kernel.shape[0]
            n_out = x.shape[1] - layer.dilation * (n_taps - 1)
            x = sum(
                x[:, tap * layer.dilation : tap * layer.dilation + n_out]
                @ layer.kernel[tap]
                for tap in range(n_taps)
            )
            if layer.bias is not None:
                x = x + layer.bias[None, None]
            x = layer.activation(x)
        return x[:, -1]


@pytest.fixture
def stack():
    return Stack


@pytest.fixture
def make_variables(rng, dtype):
    """Parameters of a stack from 4 features over 5 hidden to 3 targets."""

    def make(bias=False):
        shapes = [(3, 4, 5), (2, 5, 5), (1, 5, 3)]
        return [
            (
                jnp.asarray(rng.standard_normal(shape) / shape[1], dtype),
                jnp.asarray(rng.standard_normal(shape[2]), dtype) if bias else None,
            )
            for shape in shapes
        ]

    return make


@pytest.fixture
def lags():
    return Lags(0, 5, 1)  # one lag more than the stack sees
