"""Readouts: from shared features to one response per target."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ._layers import default_float, shown

__all__ = ["DenseReadout", "FactorizedReadout", "Readout", "add_bias", "make_bias"]


class Readout(nnx.Module):
    """What readouts share: their options, and how they are made."""

    options: tuple[tuple[str, Any], ...]
    n_targets: int
    features: nnx.Param
    bias: nnx.Param | None
    needs_images = True

    def __init__(self, **options: object) -> None:
        self.options = tuple(options.items())
        self.n_targets = options["n_targets"]  # type: ignore[assignment]  # an int
        if isinstance(self.n_targets, bool) or int(self.n_targets) < 1:
            raise ValueError(
                f"n_targets is {self.n_targets!r} but must be a positive integer."
            )

    def build(self, shape: Sequence[int], rngs: nnx.Rngs) -> "Readout":
        """Make the parameters for features of a shape.

        Parameters
        ----------
        shape : tuple of int
            Features of one sample.
        rngs : nnx.Rngs
            Random numbers.

        Returns
        -------
        readout
            A readout of its own.

        Raises
        ------
        ValueError
            If the features have the wrong number of axes.
        """
        wanted = 3 if self.needs_images else (1, 3)
        if len(shape) not in np.atleast_1d(wanted):
            raise ValueError(
                f"{type(self).__name__} reads images (height, width, channels) but the "
                f"core gives features of shape {tuple(shape)}; take a DenseReadout."
            )
        readout = type(self)(**dict(self.options))  # type: ignore[arg-type]  # as given
        readout._make(tuple(shape), rngs)
        return readout

    @abstractmethod
    def _make(self, shape: tuple[int, ...], rngs: nnx.Rngs) -> None:
        """Make the parameters for features of a shape that was checked."""

    def l1(self) -> jax.Array:
        """Sum the sizes of the weights that an L1 penalty shrinks.

        Returns
        -------
        array ()
            Sum over all targets.
        """
        return jnp.abs(self.features[...]).sum()

    def project(self) -> None:
        """Put parameters that have bounds back within them."""


@shown
class DenseReadout(Readout):
    """Every feature counts: a linear map, for causal cores or small images.

    Parameters
    ----------
    n_targets : int
        Number of responses.
    use_bias : bool
        Whether targets have a constant.
    """

    needs_images = False

    def __init__(self, n_targets: int, *, use_bias: bool = True) -> None:
        super().__init__(n_targets=n_targets, use_bias=use_bias)

    def _make(self, shape: tuple[int, ...], rngs: nnx.Rngs) -> None:
        size, dtype = int(np.prod(shape)), default_float()
        init = jax.nn.initializers.lecun_normal()
        self.features = nnx.Param(init(rngs.params(), (size, self.n_targets), dtype))
        self.bias = make_bias(dict(self.options)["use_bias"], self.n_targets)

    def __call__(
        self,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        shift: jax.Array | None = None,
    ) -> jax.Array:
        """Read out the responses.

        Parameters
        ----------
        x : array (batch, ...)
            Features.
        key, shift : None
            Not used.

        Returns
        -------
        array (batch, n_targets)
            Before the output function.
        """
        return add_bias(x.reshape(x.shape[0], -1) @ self.features[...], self.bias)

    def sequence(self, x: jax.Array) -> jax.Array:
        """Read out the responses at every sample of whole trials.

        Parameters
        ----------
        x : array (n_trials, n_times, n_channels)
            Features.

        Returns
        -------
        array (n_trials, n_times, n_targets)
            Before the output function.
        """
        y = x @ self.features[...]
        return y if self.bias is None else y + self.bias[...][None, None]


@shown
class FactorizedReadout(Readout):
    """A map of places times a vector of features, for every target.

    Parameters
    ----------
    n_targets : int
        Number of responses.
    normalize : bool
        Divide each map by its norm, so that the features carry the scale.
    positive : bool
        Take the absolute values of the maps.
    use_bias : bool
        Whether targets have a constant.

    References
    ----------
    .. [1] Klindt et al., NeurIPS 2017, arXiv:1711.02653; neuralpredictors
       ``FullFactorized2d``.
    """

    def __init__(
        self,
        n_targets: int,
        *,
        normalize: bool = True,
        positive: bool = False,
        use_bias: bool = True,
    ) -> None:
        super().__init__(
            n_targets=n_targets,
            normalize=normalize,
            positive=positive,
            use_bias=use_bias,
        )

    def _make(self, shape: tuple[int, ...], rngs: nnx.Rngs) -> None:
        height, width, channels = shape
        n, dtype = self.n_targets, default_float()
        noise = jax.random.normal(rngs.params(), (height, width, n), dtype)
        # Every place counts at first, each a little differently.
        self.mask = nnx.Param(1 + 0.1 * noise)
        noise = jax.random.normal(rngs.params(), (channels, n), dtype)
        self.features = nnx.Param(noise / channels)
        self.bias = make_bias(dict(self.options)["use_bias"], n)

    def places(self) -> jax.Array:
        """Give the maps as they enter the product.

        Returns
        -------
        array (height, width, n_targets)
            Absolute and normalised where asked for.
        """
        o, mask = dict(self.options), self.mask[...]
        if o["positive"]:
            mask = jnp.abs(mask)
        if not o["normalize"]:
            return mask
        return mask / (jnp.sqrt((mask**2).sum((0, 1), keepdims=True)) + 1e-6)

    def __call__(
        self,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        shift: jax.Array | None = None,
    ) -> jax.Array:
        """Read out the responses.

        Parameters
        ----------
        x : array (batch, height, width, channels)
            Features.
        key, shift : None
            Not used.

        Returns
        -------
        array (batch, n_targets)
            Before the output function.
        """
        mask = self.places().reshape(-1, self.n_targets).astype(x.dtype)
        pooled = mask.T[None] @ x.reshape(x.shape[0], -1, x.shape[3])
        return add_bias((pooled * self.features[...].T[None]).sum(2), self.bias)

    def l1(self) -> jax.Array:
        """Sum over targets the sum of the map's sizes times that of the features'.

        neuralpredictors multiplies the maps' sums with the features' sums of all
        other targets as well.

        Returns
        -------
        array ()
            Sum over all targets.
        """
        mask = jnp.abs(self.places()).sum((0, 1))
        return (mask * jnp.abs(self.features[...]).sum(0)).sum()


def make_bias(wanted: bool, n_targets: int) -> nnx.Param | None:
    return (
        nnx.Param(jnp.zeros(n_targets, default_float())) if wanted else nnx.data(None)
    )


def add_bias(y: jax.Array, bias: nnx.Param | None) -> jax.Array:
    return y if bias is None else y + bias[...][None]
