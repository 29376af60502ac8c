"""A fixed first stage for images: Gabor energy on a grid, as feature maps."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from ..core import check
from ..core.fronted import FrontedNetwork
from ..core.linalg import dot
from ..signal import gabor_energy, gabor_layout
from ._cores import ConvCore
from ._encoder import Encoder
from ._readouts import DenseReadout

__all__ = ["GaborFront"]

_BLOCK = 256  # images at a time
# Luminance, red against green, blue against yellow.
_OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [-0.5, -0.5, 1]])


@dataclasses.dataclass(frozen=True)
class GaborFront:
    """Gabor energy of images as feature maps: what complex cells would say.

    Small recordings cannot teach a network its first layers. This stage is fixed: the
    local energy at several scales and orientations on a grid, and the mean on it; of
    gray images, or of luminance and the two opponent pairs of colours. A network is
    trained on its maps, which are computed once, and :meth:`network` then joins both;
    :meth:`encoder` makes one. Maps have units of their own: any other core should
    normalise them, with ``ConvCore(..., input_scale=front.scale)``.

    Parameters
    ----------
    shape : (height, width, channels)
        One image, gray or of red, green and blue.
    n_scales, n_orientations, grid, wavelength, bandwidth, power
        As in :func:`jaxneuro.signal.gabor_energy`.

    Raises
    ------
    ValueError
        If an option is out of its range.

    References
    ----------
    .. [1] Adelson & Bergen, Journal of the Optical Society of America A 2, 1985,
       doi:10.1364/JOSAA.2.000284.
    .. [2] Pasupathy, Popovkina & Kim, Visual functions of primate area V4, Annual
       Review of Vision Science 6, 2020, doi:10.1146/annurev-vision-030320-041306.

    Examples
    --------
    >>> front = GaborFront((20, 30, 3), n_scales=2, grid=(4, 5))
    >>> front(np.zeros((6, 20, 30, 3), np.float32)).shape
    (6, 4, 5, 51)
    """

    shape: tuple[int, int, int]
    n_scales: int = 4
    n_orientations: int = 8
    grid: tuple[int, int] = (7, 7)
    wavelength: float = 4.0
    bandwidth: float = 1.0
    power: float = 0.25

    def __post_init__(self) -> None:
        for name in ("shape", "grid"):
            object.__setattr__(self, name, tuple(int(n) for n in getattr(self, name)))
        if len(self.shape) != 3 or self.shape[2] not in (1, 3):
            raise ValueError(
                f"shape is {self.shape} but must be (height, width, channels) with 1 "
                "channel, gray, or 3, red, green and blue."
            )
        gabor_layout(
            self.shape[:2],
            n_scales=self.n_scales,
            n_orientations=self.n_orientations,
            grid=self.grid,
            wavelength=self.wavelength,
        )

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Shape of the maps of one image."""
        return (*self.grid, len(self.scale))

    @property
    def scale(self) -> tuple[float, ...]:
        """How much each map should count at the start, standard deviations apart.

        The energy of the opponent pairs counts half that of luminance, and the few
        maps of means count as much as a quarter of all others.
        """
        n_channels, n_maps = self.shape[2], self.n_scales * self.n_orientations
        energy = [1.0] * n_maps + [0.5] * (n_maps * (n_channels - 1))
        mean = 0.4 * math.sqrt(n_maps)
        return (*energy, *[mean] * n_channels)

    def __call__(self, images: ArrayLike) -> jax.Array:
        """Compute the maps.

        Parameters
        ----------
        images : array (n_images, height, width, channels)
            Images; bytes from 0 to 255 are taken as 0 to 1. Arrays of NumPy, among
            them memory maps, are read in blocks.

        Returns
        -------
        array (n_images, grid_height, grid_width, n_maps)
            Energy by channel, scale and orientation, then the mean of each channel.

        Raises
        ------
        ValueError
            If the images have another shape.
        """
        source: Any = images
        if check.shape_of(source)[1:] != self.shape or np.ndim(source) != 4:
            raise ValueError(
                f"images has shape {check.shape_of(source)} but the stage was made for "
                f"(n_images, {', '.join(map(str, self.shape))})."
            )
        if isinstance(source, jax.Array):
            return self._maps(source)
        parts = [
            self._maps(_floats(source[at : at + _BLOCK]))
            for at in range(0, len(source), _BLOCK)
        ]
        return jnp.concatenate(parts)

    def encoder(
        self,
        n_targets: int,
        *,
        hidden: int = 128,
        output: str = "identity",
        rngs: int | nnx.Rngs,
    ) -> Encoder:
        """Make a network for the maps: units that see all of a square grid, targets.

        Recordings of some hundred images can train it, at a rate of about 3e-4, with a
        Gaussian loss on standardised responses, and the mean of several is better.

        Parameters
        ----------
        n_targets : int
            Number of responses.
        hidden : int
            Units that the targets share.
        output : {"elu1", "softplus", "identity"}
            What the responses pass through at the end.
        rngs : int or nnx.Rngs
            Seed of the parameters.

        Returns
        -------
        Encoder
            From maps to responses.
        """
        units = ConvCore(
            (hidden,),
            kernel_sizes=min(self.grid),
            padding="valid",
            pooling=1,
            batch_norm=False,
            use_bias=True,
            input_scale=self.scale,
        )
        net = Encoder(
            core=units,
            readout=DenseReadout(n_targets),
            shape=self.out_shape,
            output=output,
            rngs=rngs,
        )
        # What the units say at random is noise, which few images cannot undo.
        weights = net.readout().features
        weights[...] = 0.1 * weights[...]
        return net

    def network(self, apply: Callable) -> FrontedNetwork:
        """Join this stage with a network trained on its maps.

        Parameters
        ----------
        apply : function
            ``apply(variables, maps)``.

        Returns
        -------
        FrontedNetwork
            ``apply(variables, images)`` with the same variables.
        """
        return FrontedNetwork(self, apply)

    def _maps(self, images: jax.Array) -> jax.Array:
        x = images
        if self.shape[2] == 3:
            x = dot(x, jnp.asarray(_OPPONENT.T, x.dtype))
        energies = []
        for channel in range(self.shape[2]):
            energy = gabor_energy(
                x[..., channel],
                n_scales=self.n_scales,
                n_orientations=self.n_orientations,
                grid=self.grid,
                wavelength=self.wavelength,
                bandwidth=self.bandwidth,
                power=self.power,
            )
            shape = (x.shape[0], -1, *self.grid)
            energies.append(energy.reshape(shape).transpose(0, 2, 3, 1))
        rows, columns = (
            jnp.asarray(_windows(n, cells), x.dtype)
            for n, cells in zip(self.shape[:2], self.grid, strict=True)
        )
        means = jnp.einsum(
            "ihwc,rh,kw->irkc", x, rows, columns, precision=jax.lax.Precision.HIGHEST
        )
        return jnp.concatenate([*energies, means], axis=3)


def _floats(block: ArrayLike) -> jax.Array:
    block = np.asarray(block)
    if block.dtype == np.uint8:
        return jnp.asarray(block, jnp.zeros(()).dtype) / 255
    return jnp.asarray(block)


def _windows(n_pixels: int, n_cells: int) -> np.ndarray:
    """Gaussian windows around the cells of a line, as wide as those of the energy."""
    pixel = (np.arange(n_pixels) + 0.5) * n_cells / n_pixels
    away = pixel - (np.arange(n_cells)[:, None] + 0.5)
    window = np.exp(-2 * away**2)  # half a cell is the standard deviation
    return window / window.sum(axis=1, keepdims=True)
