"""Haemodynamic responses: closed forms with their derivatives and integrals."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jax.typing import ArrayLike
from scipy.special import gammainc, gammaln, xlogy

from ..core import check

__all__ = [
    "LENGTH",
    "HRFModel",
    "Response",
    "hrf",
    "nilearn_kernels",
    "parts",
    "responses",
]

HRFModel: TypeAlias = (
    str | ArrayLike | Callable[..., ArrayLike] | Sequence[Callable[..., ArrayLike]]
)

LENGTH = 32.0  # seconds after which the closed forms end, as in SPM
_FIR_WINDOW = 20.0  # seconds after an event that the default delays cover


class _Shape(NamedTuple):
    """Times of peak and undershoot, their dispersions, and the undershoot's size."""

    delay: float
    undershoot: float
    dispersion: float
    undershoot_dispersion: float
    ratio: float


_SHAPES = {
    "spm": _Shape(6.0, 16.0, 1.0, 1.0, 1 / 6),
    "glover": _Shape(6.0, 12.0, 0.9, 0.9, 0.48),
}
_DERIVATIVES = ("", " + derivative", " + derivative + dispersion")
_MODELS = (*(name + more for name in _SHAPES for more in _DERIVATIVES), "fir")


class Response(NamedTuple):
    """One function of a basis.

    `value` is the response to an impulse of unit area, per second; `integral` is its
    integral from 0 to t. Both are defined on [0, length] seconds.
    """

    suffix: str
    length: float
    value: Callable[[np.ndarray], np.ndarray]
    integral: Callable[[np.ndarray], np.ndarray]


def hrf(
    model: HRFModel = "spm",
    *,
    dt: float,
    duration: float = LENGTH,
    tr: float | None = None,
    fir_delays: Sequence[int] | None = None,
    compat: str | None = None,
) -> np.ndarray:
    """Sample a haemodynamic response function.

    The samples are weights: they are taken at 0, dt, 2 dt, ... and sum to 1, so that
    the response to a long block reaches 1. Derivatives share the scale of the response
    they belong to.

    Parameters
    ----------
    model : str, array or function
        ``"spm"``: gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6, the canonical response of SPM
        [1]_ and of Mantini et al. [2]_. ``"glover"``: a stronger and earlier
        undershoot, with nilearn's constants for [3]_. Either with
        ``" + derivative"`` (in time, towards an earlier response) or
        ``" + derivative + dispersion"`` (towards a narrower response). ``"fir"``: one
        box of length `tr` for each of `fir_delays`. An array of weights is returned as
        it is; a function of the time in seconds gives the response per second; a list
        of functions makes a basis.
    dt : float
        Distance of the samples in seconds.
    duration : float
        Length in seconds; ``round(duration / dt)`` samples. Default: 32 seconds.
        Ignored for ``"fir"``, which ends with its last box.
    tr : float, optional
        Seconds from scan to scan, the length of a box. Only for ``"fir"``.
    fir_delays : sequence of int, optional
        Delays of the boxes in scans. Default: those that begin within 20 seconds.
    compat : str, optional
        ``"nilearn"`` reproduces its sampling [4]_: stretched to end at `duration`,
        delayed by `dt`, an undershoot of 0.167, and derivatives by finite differences.

    Returns
    -------
    array (n_samples,) or (n_samples, n_basis)
        Weights in float64, on the host. Two axes for a model of several functions.

    Raises
    ------
    TypeError
        If `model` is no name, array or function.
    ValueError
        If `model` or `compat` is unknown, `dt` or `duration` is not positive, or `dt`
        is too long for `duration`.

    References
    ----------
    .. [1] Friston et al., NeuroImage 7, 1998, 10.1006/nimg.1997.0306; spm_hrf.m.
    .. [2] Mantini et al., Nature Methods 9, 2012, 10.1038/nmeth.1868; the tutorial of
       neuroboros, whose kernel is ``hrf("spm", dt=tr / 256, duration=15 * tr)``.
    .. [3] Glover, NeuroImage 9, 1999, 10.1006/nimg.1998.0419.
    .. [4] nilearn 0.14, nilearn.glm.first_level.hemodynamic_models.

    Examples
    --------
    >>> hrf("spm", dt=2.0, duration=12.0).round(2).tolist()
    [0.0, 0.08, 0.33, 0.34, 0.19, 0.07]
    """
    dt, duration = check.positive("dt", dt), check.positive("duration", duration)
    check.choice("compat", compat, ("nilearn", None))
    n_samples = round(duration / dt)
    if n_samples < 2:
        raise ValueError(
            f"dt is {dt:g} s but must leave 2 samples or more in a duration of "
            f"{duration:g} s."
        )
    if isinstance(model, str) and parts(model)[0] == "fir":
        if tr is None:
            raise ValueError(
                'tr is None but the model "fir" needs it; give the seconds per scan.'
            )
        boxes = nilearn_kernels("fir", dt, tr, duration, fir_delays)
        n_samples = max(box.size for box in boxes)
        boxes = [np.pad(box, (0, n_samples - box.size)) for box in boxes]
        return np.stack(boxes, axis=1)
    if isinstance(model, str) and compat == "nilearn":
        weights = np.stack(nilearn_kernels(model, dt, dt, duration), axis=1)
    elif isinstance(model, str):
        basis = responses(model, tr=dt, length=duration)
        times = np.arange(n_samples) * dt
        weights = np.stack([one.value(times) for one in basis], axis=1)
        weights = weights / weights[:, 0].sum()
    elif callable(model) or _all_callable(model):
        times = np.arange(n_samples) * dt
        weights = np.stack([_call(f, times) * dt for f in _functions(model)], axis=1)
    else:
        return _weights(model)
    return weights[:, 0] if weights.shape[1] == 1 else weights


def parts(model: str) -> tuple[str, int]:
    """Split a model's name into its family and its number of derivatives."""
    words = [word.strip() for word in model.lower().split("+")]
    name = " + ".join(words)
    if name not in _MODELS:
        allowed = ", ".join(repr(one) for one in _MODELS)
        raise ValueError(
            f"hrf_model is {model!r} but must be one of {allowed}, an array of weights "
            "or a function of time."
        )
    return words[0], len(words) - 1


def responses(
    model: HRFModel,
    *,
    tr: float,
    length: float = LENGTH,
    oversampling: int = 16,
    fir_delays: Sequence[int] | None = None,
) -> list[Response]:
    """Give the functions of a model's basis with their integrals.

    Names are closed forms; arrays and functions are read at ``tr / oversampling``
    and joined by straight lines.
    """
    if isinstance(model, str):
        family, order = parts(model)
        if family == "fir":
            return [_box(delay, tr) for delay in delays(fir_delays, tr)]
        return _gamma_basis(_SHAPES[family], length)[: order + 1]
    dt = tr / oversampling
    if callable(model) or _all_callable(model):
        times = np.arange(math.floor(length / dt) + 1) * dt
        functions = _functions(model)
        columns = [_call(function, times) for function in functions]
        names = [getattr(function, "__name__", "") for function in functions]
    else:
        columns = list(np.atleast_2d(_weights(model).T) / dt)
        names = [""] * len(columns)
    if len(columns) == 1:
        return [_lines("", columns[0], dt)]
    # Nameless functions of a basis are numbered.
    named = len(set(names)) == len(names) and "<lambda>" not in names
    suffixes = names if named else [f"basis_{i}" for i in range(len(columns))]
    return [
        _lines(f"_{suffix}", column, dt)
        for suffix, column in zip(suffixes, columns, strict=True)
    ]


def delays(fir_delays: Sequence[int] | None, tr: float) -> list[int]:
    """Check the delays of a finite impulse response, in scans."""
    if fir_delays is None:
        return list(range(math.ceil(_FIR_WINDOW / tr - 1e-9)))
    given = np.atleast_1d(np.asarray(fir_delays))
    whole = given.dtype.kind in "iu" or (given == np.floor(given)).all()
    if not whole or given.size == 0 or given.min() < 0 or given.ndim != 1:
        raise ValueError(
            f"fir_delays is {fir_delays!r} but must list whole numbers of scans, "
            "0 or more."
        )
    if np.unique(given).size != given.size:
        raise ValueError(f"fir_delays is {fir_delays!r} but must not repeat a delay.")
    return [int(delay) for delay in given]


def _all_callable(model: object) -> bool:
    return isinstance(model, list | tuple) and all(callable(one) for one in model)


def _functions(model: object) -> list[Callable[..., ArrayLike]]:
    return list(model) if isinstance(model, list | tuple) else [model]  # type: ignore[list-item]  # callers checked it


def _call(function: Callable[..., ArrayLike], times: np.ndarray) -> np.ndarray:
    values = np.asarray(function(times), dtype=np.float64)
    if values.shape != times.shape:
        raise ValueError(
            f"hrf_model gives shape {values.shape} for {times.size} times but must "
            "give one value per time in seconds."
        )
    check.finite("hrf_model", values)
    return values


def _weights(model: object) -> np.ndarray:
    try:
        weights = np.asarray(model, dtype=np.float64)
    except (TypeError, ValueError):
        weights = np.zeros(())
    if weights.ndim not in (1, 2) or weights.size == 0:
        raise TypeError(
            f"hrf_model is of type {type(model).__name__} but must be a name, an array "
            "of weights (n_samples,) or (n_samples, n_basis), or a function of time."
        )
    check.finite("hrf_model", weights)
    return weights


def _gamma_pdf(t: np.ndarray, shape: float, scale: float) -> np.ndarray:
    x = np.maximum(t, 0.0) / scale
    return np.exp(xlogy(shape - 1, x) - x - gammaln(shape)) / scale


def _gamma_cdf(t: np.ndarray, shape: float, scale: float) -> np.ndarray:
    return gammainc(shape, np.maximum(t, 0.0) / scale)


def _slope(t: np.ndarray, shape: float, scale: float) -> np.ndarray:
    """Differentiate the gamma density, whose shape is above 2."""
    lower = _gamma_pdf(t, shape - 1, scale)
    return (lower - _gamma_pdf(t, shape, scale)) / scale


def _gamma_basis(shape: _Shape, length: float) -> list[Response]:
    """Response, its derivative in time and in dispersion, of unit area up to length."""
    delay, undershoot, width, under_width, ratio = shape

    def difference(function: Callable, t: np.ndarray) -> np.ndarray:
        peak = function(t, delay / width, width)
        return peak - ratio * function(t, undershoot / under_width, under_width)

    def narrower(function: Callable, t: np.ndarray) -> np.ndarray:
        # Four points leave 1e-12; a derivative in the shape has no closed form.
        step = 1e-3
        terms = [
            weight * function(t, delay / (width + k * step), width + k * step)
            for k, weight in ((2, 1.0), (1, -8.0), (-1, 8.0), (-2, -1.0))
        ]
        return np.sum(terms, axis=0) / (12 * step)

    area = difference(_gamma_cdf, np.asarray(length))

    def stop(function: Callable) -> Callable[[np.ndarray], np.ndarray]:
        return lambda t: np.where(t < length, function(t) / area, 0.0)

    def value(t: np.ndarray) -> np.ndarray:
        return difference(_gamma_pdf, t)

    return [
        Response("", length, stop(value), lambda t: difference(_gamma_cdf, t) / area),
        # The integral returns to zero: the response itself ends there.
        Response(
            "_derivative", length, stop(lambda t: difference(_slope, t)), stop(value)
        ),
        Response(
            "_dispersion",
            length,
            stop(lambda t: narrower(_gamma_pdf, t)),
            lambda t: narrower(_gamma_cdf, t) / area,
        ),
    ]


def _box(delay: int, tr: float) -> Response:
    """One bin of a finite impulse response, on [delay, delay + 1) scans.

    An impulse gives 1 in its bin, a block the share of the bin that it fills.
    """
    return Response(
        f"_delay_{delay}",
        (delay + 1) * tr,
        # Onsets on the grid of scans are multiples of tr up to rounding.
        lambda t: (np.floor(t / tr + 1e-6) == delay).astype(np.float64),
        lambda t: np.clip(t / tr - delay, 0.0, 1.0),
    )


def _lines(suffix: str, values: np.ndarray, dt: float) -> Response:
    """Straight lines through samples of a response per second."""
    grid = np.arange(values.size) * dt
    area = np.concatenate([[0.0], np.cumsum(dt * (values[1:] + values[:-1]) / 2)])

    def value(t: np.ndarray) -> np.ndarray:
        return np.interp(t, grid, values, right=0.0)

    def integral(t: np.ndarray) -> np.ndarray:
        k = np.clip((t / dt).astype(int), 0, values.size - 1)
        rest = np.clip(t - grid[k], 0.0, None)
        inside = np.where(k < values.size - 1, rest, 0.0)
        return area[k] + inside * (values[k] + value(t)) / 2

    return Response(suffix, float(grid[-1]), value, integral)


def nilearn_kernels(
    model: str,
    dt: float,
    tr: float,
    duration: float = LENGTH,
    fir_delays: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Sample a model as nilearn does, one array per function."""
    family, order = parts(model)
    if family == "fir":
        n = max(round(tr / dt), 1)
        return [
            np.repeat([0.0, 1.0 / n], [delay * n, n])
            for delay in delays(fir_delays, tr)
        ]
    shape = _SHAPES[family]._replace(ratio={"spm": 0.167, "glover": 0.48}[family])

    def sample(onset: float, shape: _Shape) -> np.ndarray:
        t = np.linspace(0, duration, round(duration / dt)) - onset - dt
        peak, under = shape.delay / shape.dispersion, shape.undershoot
        under /= shape.undershoot_dispersion
        kernel = np.where(t >= 0, _gamma_pdf(t, peak, shape.dispersion), 0.0)
        low = _gamma_pdf(t, under, shape.undershoot_dispersion)
        kernel = kernel - shape.ratio * np.where(t >= 0, low, 0.0)
        return kernel / kernel.sum()

    canonical = sample(0.0, shape)
    # Its dispersion derivative leaves the undershoot's own dispersion at 1.
    narrow = shape._replace(undershoot_dispersion=1.0)
    wide = narrow._replace(dispersion=shape.dispersion + 0.01)
    return [
        canonical,
        (canonical - sample(0.1, shape)) / 0.1,
        (sample(0.0, narrow) - sample(0.0, wide)) / 0.01,
    ][: order + 1]
