"""The encoder: a core, a readout and an output function."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from ..core import check
from ._causal import CausalCore
from ._cores import ConvCore
from ._layers import default_float, shown
from ._readouts import Readout

__all__ = ["OUTPUTS", "Encoder", "Shifter"]


def _elu1(y: jax.Array) -> jax.Array:
    # ELU plus 1 as it is written rounds to 0 below -17, and the compiler joins the 1
    # with what a loss adds before its logarithm.
    return jnp.where(y > 0, y + 1, jnp.exp(jnp.where(y > 0, 0, y)))


OUTPUTS = {
    "elu1": _elu1,
    "softplus": jax.nn.softplus,
    "identity": lambda y: y,
}


@shown
class Shifter(nnx.Module):
    """A small network from the position of the gaze to a shift of all points.

    Parameters
    ----------
    n_inputs : int
        Coordinates of the gaze.
    hidden : int
        Units of the hidden layer; 0 is a linear map.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; neuralpredictors ``MLPShifter``.
    """

    layers: nnx.List

    def __init__(self, n_inputs: int = 2, *, hidden: int = 5) -> None:
        self.options = (n_inputs, hidden)

    def build(self, rngs: nnx.Rngs) -> "Shifter":
        """Make the parameters.

        Parameters
        ----------
        rngs : nnx.Rngs
            Random numbers.

        Returns
        -------
        Shifter
            A shifter of its own.
        """
        n_inputs, hidden = self.options
        shifter, dtype = Shifter(n_inputs, hidden=hidden), default_float()
        sizes = [n_inputs, *([hidden] if hidden else []), 2]
        shifter.layers = nnx.List(
            [
                nnx.Param(0.1 * jax.random.normal(rngs.params(), (a + 1, b), dtype))
                for a, b in zip(sizes[:-1], sizes[1:], strict=True)
            ]
        )
        return shifter

    def __call__(self, gaze: jax.Array) -> jax.Array:
        """Shift of the points, within the size of the image.

        Parameters
        ----------
        gaze : array (batch, n_inputs)
            Coordinates.

        Returns
        -------
        array (batch, 2)
            Shift along columns and rows.
        """
        for layer in self.layers:
            gaze = jnp.tanh(gaze @ layer[...][:-1] + layer[...][-1][None])
        return gaze


@shown
class Encoder(nnx.Module):
    """A network from stimuli to the responses of many targets.

    Parameters
    ----------
    core : ConvCore or CausalCore
        From stimuli to features. The one given is not changed; the encoder makes its
        own.
    readout : readout, or dict of readouts
        From features to targets. A dict has one per session; the core is shared.
    shape : tuple of int
        One stimulus: ``(height, width, channels)`` or ``(n_lags, n_features)``.
    output : {"elu1", "softplus", "identity"}
        What the responses pass through at the end; "elu1" is ELU plus 1.
    n_behavior : int
        Variables of behaviour, which join the images as further channels.
    shifter : Shifter, optional
        Moves the points of the readout with the gaze.
    rngs : int or nnx.Rngs
        Seed of the parameters.

    Raises
    ------
    ValueError
        If shapes or options do not fit together.

    Examples
    --------
    >>> from jaxneuro import nn
    >>> core, readout = nn.ConvCore((8, 8)), nn.GaussianReadout(n_targets=3)
    >>> net = nn.Encoder(core=core, readout=readout, shape=(18, 24, 1), rngs=0)
    >>> net(jnp.zeros((5, 18, 24, 1))).shape
    (5, 3)
    """

    def __init__(
        self,
        *,
        core: ConvCore | CausalCore,
        readout: "Readout | Mapping[str, Readout]",
        shape: Sequence[int],
        output: str = "elu1",
        n_behavior: int = 0,
        shifter: Shifter | None = None,
        rngs: int | nnx.Rngs,
    ) -> None:
        check.choice("output", output, tuple(OUTPUTS))
        rngs = nnx.Rngs(rngs) if isinstance(rngs, int) else rngs
        shape = tuple(int(n) for n in shape)
        wanted = 2 if isinstance(core, CausalCore) else 3
        if len(shape) != wanted:
            form = (
                "(n_lags, n_features)" if wanted == 2 else "(height, width, channels)"
            )
            raise ValueError(
                f"shape is {shape} but a {type(core).__name__} needs {form}."
            )
        self.shape, self.output, self.n_behavior = shape, output, n_behavior
        inside = (*shape[:-1], shape[-1] + n_behavior)
        self.core = core.build(inside, rngs)
        heads = readout if isinstance(readout, Mapping) else {"": readout}
        self.sessions = tuple(heads)
        built = [head.build(self.core.out_shape, rngs) for head in heads.values()]
        self.readouts = nnx.List(built)
        self.shifter = nnx.data(None) if shifter is None else shifter.build(rngs)

    def start_at(self, mean: ArrayLike, session: str | None = None) -> None:
        """Set the constants of a readout so that it starts near the mean responses.

        Parameters
        ----------
        mean : array (n_targets,)
            Mean response of each target; a silent one counts as nearly silent.
        session : str, optional
            Whose readout. Default: the only one.
        """
        bias = self.readout(session).bias
        if bias is None:
            return
        y = np.nan_to_num(np.asarray(mean, float))
        if self.output != "identity":
            y = np.maximum(y, 1e-2)
        if self.output == "elu1":
            y = np.where(y > 1, y - 1, np.log(y))
        if self.output == "softplus":
            y = y + np.log(-np.expm1(-y))
        bias[...] = jnp.asarray(y, bias[...].dtype)

    def readout(self, session: str | None = None) -> Readout:
        """Find the readout of a session.

        Parameters
        ----------
        session : str, optional
            Name of the session. Default: the only one.

        Returns
        -------
        readout
            Part of this encoder.

        Raises
        ------
        ValueError
            If there is no such session, or several and none is named.
        """
        if session is None and len(self.sessions) == 1:
            return self.readouts[0]
        check.choice("session", session, self.sessions)
        return self.readouts[self.sessions.index(session)]  # type: ignore[arg-type]  # it is one of them

    def __call__(
        self,
        x: jax.Array | Mapping[str, jax.Array],
        *,
        train: bool = False,
        key: jax.Array | None = None,
        session: str | None = None,
    ) -> jax.Array:
        """Predict responses.

        Parameters
        ----------
        x : array (batch, ...) or dict of these
            Stimuli; a dict holds "images" and, where the encoder takes them,
            "behavior" ``(batch, n_behavior)`` and "gaze" ``(batch, n_inputs)``.
        train : bool
            Use and update the statistics of the batch.
        key : key, optional
            Draws what readouts draw in training.
        session : str, optional
            Whose readout. Default: all of them, side by side.

        Returns
        -------
        array (batch, n_targets)
            Responses.

        Raises
        ------
        ValueError
            If stimuli have another shape than the encoder was made for.
        """
        images, shift = self._inputs(x)
        features = self.core(images, train=train)
        chosen = self.readouts if session is None else [self.readout(session)]
        if key is not None and len(chosen) > 1:
            keys = list(jax.random.split(key, len(chosen)))
        else:
            keys = [key] * len(chosen)
        y = [
            head(features, key=draw, shift=shift)
            for head, draw in zip(chosen, keys, strict=True)
        ]
        return OUTPUTS[self.output](y[0] if len(y) == 1 else jnp.concatenate(y, axis=1))

    def sequence(
        self, x: jax.Array, *, train: bool = False, session: str | None = None
    ) -> jax.Array:
        """Predict responses at every sample of whole trials.

        Parameters
        ----------
        x : array (n_trials, n_times, n_features)
            Signals in time order.
        train : bool
            As in calling.
        session : str, optional
            Whose readout. Default: the only one.

        Returns
        -------
        array (n_trials, n_times, n_targets)
            Responses.

        Raises
        ------
        TypeError
            If the core is not causal.
        """
        if not isinstance(self.core, CausalCore):
            raise TypeError(
                "whole trials need a CausalCore; give lags to train on windows."
            )
        features = self.core.sequence(x, train=train)
        return OUTPUTS[self.output](self.readout(session).sequence(features))  # type: ignore[attr-defined]  # a causal core has a dense readout

    def _inputs(
        self, x: jax.Array | Mapping[str, jax.Array]
    ) -> tuple[jax.Array, jax.Array | None]:
        parts = dict(x) if isinstance(x, Mapping) else {"images": x}
        images = parts["images"]
        if images.shape[1:] != self.shape:
            raise ValueError(
                f"x has shape {images.shape} but the network was made for "
                f"(batch, {', '.join(map(str, self.shape))})."
            )
        for name, wanted in (("behavior", self.n_behavior), ("gaze", self.shifter)):
            if bool(wanted) != (name in parts):
                needs = "needs" if wanted else "takes no"
                raise ValueError(
                    f"x holds {sorted(parts)} but the network {needs} {name}."
                )
        if self.n_behavior:
            rows = parts["behavior"][:, None, None]
            maps = jnp.broadcast_to(rows, (*images.shape[:3], self.n_behavior))
            images = jnp.concatenate([images, maps], axis=3)
        return images, self.shifter(parts["gaze"]) if self.shifter else None
