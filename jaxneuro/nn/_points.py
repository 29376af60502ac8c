"""Readouts that look at one point per target."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from ..core import check
from ._layers import default_float, shown
from ._readouts import Readout, add_bias, make_bias
from ._sampling import FILTERS, at_points, clipped, pyramid_at_points

__all__ = ["Constant", "GaussianReadout", "PyramidReadout"]


class Constant(nnx.Variable):
    """An array that belongs to a network but is not trained."""


@shown
class GaussianReadout(Readout):
    """One point per target, drawn from a Gaussian that is learned with it.

    In training every image is read at a new draw; else at the centre.

    Parameters
    ----------
    n_targets : int
        Number of responses.
    covariance : {"full", "uncorrelated", "isotropic"}
        Shape of the Gaussian.
    positions : array (n_targets, n_coordinates), optional
        Where targets lie, for example in cortex: the centres are then predicted from
        these by a small network, not learned one by one.
    hidden : int
        Units of that network; 0 is a linear map.
    spread : float
        Standard deviation at the start, in units where the image is two wide.
    use_bias : bool
        Whether targets have a constant.

    References
    ----------
    .. [1] Lurz et al., ICLR 2021, doi:10.1101/2020.10.05.326256; neuralpredictors
       ``FullGaussian2d``.
    """

    def __init__(
        self,
        n_targets: int,
        *,
        covariance: str = "full",
        positions: ArrayLike | None = None,
        hidden: int = 0,
        spread: float = 0.3,
        use_bias: bool = True,
    ) -> None:
        check.choice("covariance", covariance, ("full", "uncorrelated", "isotropic"))
        if positions is not None:
            check.has_ndim("positions", positions, 2)
            # As numbers: two readouts of the same positions are then equal.
            positions = tuple(map(tuple, np.asarray(positions, float).tolist()))  # type: ignore[assignment]  # hashable
            if len(positions) != n_targets:  # type: ignore[arg-type]  # a tuple now
                raise ValueError(
                    f"positions has {len(positions)} rows but there are {n_targets} "  # type: ignore[arg-type]  # a tuple now
                    "targets; give one row per target."
                )
        super().__init__(
            n_targets=n_targets,
            covariance=covariance,
            positions=positions,
            hidden=hidden,
            spread=spread,
            use_bias=use_bias,
        )

    def _make(self, shape: tuple[int, ...], rngs: nnx.Rngs) -> None:
        o, n, dtype = dict(self.options), self.n_targets, default_float()
        if o["positions"] is None:
            draw = jax.random.uniform(rngs.params(), (n, 2), dtype, -0.1, 0.1)
            self.center = nnx.Param(draw)
        else:
            places = np.asarray(o["positions"])
            places = (places - places.mean(0)) / np.maximum(places.std(0), 1e-12)
            self.places = Constant(jnp.asarray(places, dtype))
            sizes = [places.shape[1], *([o["hidden"]] if o["hidden"] else []), 2]
            draw = jax.nn.initializers.lecun_normal()
            self.predictor = nnx.List(
                [
                    nnx.Param(0.3 * draw(rngs.params(), (a + 1, b), dtype))
                    for a, b in zip(sizes[:-1], sizes[1:], strict=True)
                ]
            )
        size = {"full": (n, 2, 2), "uncorrelated": (n, 2), "isotropic": (n, 1)}
        spread = jnp.full(size[o["covariance"]], o["spread"], dtype)
        if o["covariance"] == "full":
            spread = spread * jnp.eye(2, dtype=dtype)[None]
        self.spread = nnx.Param(spread)
        channels = shape[2]
        self.features = nnx.Param(jnp.full((channels, n), 1 / channels, dtype))
        self.bias = make_bias(o["use_bias"], n)

    def centers(self) -> jax.Array:
        """Give the centre of each target's Gaussian.

        Returns
        -------
        array (n_targets, 2)
            Column and row, from -1 to 1.
        """
        if dict(self.options)["positions"] is None:
            return clipped(self.center[...], -1, 1)
        x = self.places[...].astype(self.predictor[0][...].dtype)
        for index, layer in enumerate(self.predictor):
            x = x if index == 0 else jax.nn.elu(x)
            x = x @ layer[...][:-1] + layer[...][-1][None]
        return jnp.tanh(x)

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
        key : key, optional
            Draws the points. Default: the centres.
        shift : array (batch, 2), optional
            Movement of all points, image by image, such as that of the gaze.

        Returns
        -------
        array (batch, n_targets)
            Before the output function.
        """
        points = self.centers()
        if key is not None:
            n = x.shape[0]
            draw = jax.random.normal(key, (n, self.n_targets, 2), points.dtype)
            if dict(self.options)["covariance"] == "full":
                draw = jnp.einsum("ncd,bnd->bnc", self.spread[...], draw)
            else:
                draw = clipped(self.spread[...], 0, np.inf)[None] * draw
            points = clipped(points[None] + draw, -1, 1)
        values = at_points(x, _moved(points, shift).astype(x.dtype))
        return add_bias((values * self.features[...].T[None]).sum(2), self.bias)

    def project(self) -> None:
        """Keep the centres within the image and spreads above zero."""
        o = dict(self.options)
        if o["positions"] is None:
            self.center[...] = jnp.clip(self.center[...], -1, 1)
        if o["covariance"] != "full":
            self.spread[...] = jnp.maximum(self.spread[...], 0)


@shown
class PyramidReadout(Readout):
    """One point per target, read on all levels of a Laplace pyramid.

    Parameters
    ----------
    n_targets : int
        Number of responses.
    n_scales : int
        Number of band-passed levels beside the remainder.
    kind : {"gauss5x5", "gauss3x3", "laplace5x5"}
        Blur of the pyramid.
    downsample : bool
        Whether each level has half the pixels of the one before.
    positive : bool
        Whether the weights of the features are kept from being negative.
    use_bias : bool
        Whether targets have a constant.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; neuralpredictors ``PointPyramid2d``.
    """

    def __init__(
        self,
        n_targets: int,
        *,
        n_scales: int = 3,
        kind: str = "gauss5x5",
        downsample: bool = True,
        positive: bool = False,
        use_bias: bool = True,
    ) -> None:
        check.choice("kind", kind, FILTERS)
        super().__init__(
            n_targets=n_targets,
            n_scales=n_scales,
            kind=kind,
            downsample=downsample,
            positive=positive,
            use_bias=use_bias,
        )

    def _make(self, shape: tuple[int, ...], rngs: nnx.Rngs) -> None:
        o, n, dtype = dict(self.options), self.n_targets, default_float()
        draw = jax.random.uniform(rngs.params(), (n, 2), dtype, -0.1, 0.1)
        self.center = nnx.Param(draw)
        size = (o["n_scales"] + 1, shape[2], n)
        self.features = nnx.Param(jnp.full(size, 1 / shape[2], dtype))
        self.bias = make_bias(o["use_bias"], n)

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
        key : None
            Not used.
        shift : array (batch, 2), optional
            Movement of all points, image by image.

        Returns
        -------
        array (batch, n_targets)
            Before the output function.
        """
        o, features = dict(self.options), self.features[...]
        if o["positive"]:
            features = clipped(features, 0, np.inf)
        points = _moved(clipped(self.center[...], -1, 1), shift).astype(x.dtype)
        options = {name: o[name] for name in ("n_scales", "kind", "downsample")}
        values = pyramid_at_points(x, points, **options)
        return add_bias((values * features.swapaxes(1, 2)[None]).sum((1, 3)), self.bias)

    def project(self) -> None:
        """Keep the points within the image and, where asked for, features above 0."""
        self.center[...] = jnp.clip(self.center[...], -1, 1)
        if dict(self.options)["positive"]:
            self.features[...] = jnp.maximum(self.features[...], 0)


def _moved(points: jax.Array, shift: jax.Array | None) -> jax.Array:
    if shift is None:
        return points
    return (points if points.ndim == 3 else points[None]) + shift[:, None]
