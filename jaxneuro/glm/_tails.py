"""p and z values of t and F statistics, finite far into the tails.

The degrees of freedom are one number per map, so that a statistic's z and log p are
functions of one variable. They are tabulated on the host in float64, with their
slopes, and read on the device by interpolation of order 4. Cells divide the octaves of
the statistic evenly, so that its bits tell the cell and the place within it.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy import special

from ..core import check
from ..core.struct import static, struct

__all__ = ["TailTable", "Tails", "read_tails", "tail_table", "tails"]

_LN10 = float(np.log(10))
# Octaves of the statistic. Below them t has one cell more, where z is nearly linear,
# and F counts as the least of them; what is above counts as the largest: t = 1e10.
_T_OCTAVES, _F_OCTAVES = (-10, 34), (-100, 67)
# Bits of the number of cells in an octave.
_N_CELL = {"float32": 4, "float64": 7}
# nilearn keeps p above 1e-300 before it takes the normal quantile.
_Z_CLIP = float(-special.ndtri(1e-300))


@struct
class Tails:
    """What a statistic means under the null hypothesis.

    Attributes
    ----------
    p_value : array
        One-sided: of a value at least as large.
    z_score : array
        Standard normal deviate with the same p.
    neg_log10_p : array
        ``-log10`` of p, where p itself is too small for the float.
    """

    p_value: jax.Array
    z_score: jax.Array
    neg_log10_p: jax.Array


@struct
class TailTable:
    """z and -log10 p as piecewise quartics of the statistic.

    Attributes
    ----------
    columns : tuple of array (n_cells,)
        Five coefficients of z and five of -log10 p; of NumPy until they are cast.
    scale : array ()
        What a statistic is multiplied by first.
    limit : float
        Largest size of z.
    signed : bool
        Whether the statistic is t.
    """

    columns: tuple[Any, ...]
    scale: Any
    limit: float = static()  # type: ignore[assignment]  # a dataclass field
    signed: bool = static()  # type: ignore[assignment]  # a dataclass field


def tails(
    stat: ArrayLike,
    *,
    dof: float,
    dof_num: int | None = None,
    compat: str | None = None,
) -> Tails:
    """Give p, z and -log10 p of t or F statistics.

    Parameters
    ----------
    stat : array (n_contrasts, n_targets)
        Statistics; any shape will do.
    dof : float
        Degrees of freedom of the noise.
    dof_num : int, optional
        Rows of an F contrast. Default: `stat` is t.
    compat : {None, "nilearn"}
        "nilearn" limits z to 37.05 either way, as its clipping of p does.

    Returns
    -------
    Tails
        Three arrays (n_contrasts, n_targets).

    Raises
    ------
    ValueError
        If the degrees of freedom are not positive.

    References
    ----------
    .. [1] DLMF, section 8.17(v), for the continued fraction; nilearn
       ``glm.contrasts.Contrast``, with whose values the table agrees to 1e-10.

    Examples
    --------
    >>> round(float(tails(2.0, dof=100.0).p_value), 4)
    0.0241
    """
    stat = check.float_array("stat", stat)
    table = tail_table(stat.dtype, dof=dof, dof_num=dof_num, compat=compat)
    return read_tails(stat, table)


def tail_table(
    dtype: np.dtype,
    *,
    dof: float,
    dof_num: int | None = None,
    inflation: float = 1.0,
    compat: str | None = None,
) -> TailTable:
    """Tabulate the tails of t or F (host).

    Parameters
    ----------
    dtype : dtype
        Float of the table.
    dof, dof_num, compat
        As in :func:`tails`.
    inflation : float
        Variance of what is tested over that in the statistic.

    Returns
    -------
    TailTable
        For :func:`read_tails`.

    Raises
    ------
    ValueError
        If the degrees of freedom are not positive.
    """
    dof = min(check.positive("dof", dof), 1e10)
    if dof_num is not None:
        check.positive("dof_num", dof_num)
    columns = _table(dof, dof_num, _N_CELL[np.dtype(dtype).name])
    return TailTable(
        columns=tuple(column.astype(dtype, copy=False) for column in columns),
        limit=_Z_CLIP if compat == "nilearn" else np.inf,
        scale=np.asarray(inflation ** (-0.5 if dof_num is None else -1), dtype),
        signed=dof_num is None,
    )


@jax.jit
def read_tails(stat: jax.Array, table: TailTable) -> Tails:
    """Look up p, z and -log10 p.

    Parameters
    ----------
    stat : array (n_contrasts, n_targets)
        Statistics; any shape will do.
    table : TailTable
        Of their distribution.

    Returns
    -------
    Tails
        Three arrays (n_contrasts, n_targets).
    """
    stat = stat * table.scale
    index, x = _place(jnp.abs(stat), _T_OCTAVES if table.signed else _F_OCTAVES)
    c = [column.at[index].get(mode="promise_in_bounds") for column in table.columns]
    bump = (x * (1 - x)) ** 2
    z = c[0] + x * (c[1] + x * (c[2] + x * c[3])) + bump * c[4]
    nl = c[5] + x * (c[6] + x * (c[7] + x * c[8])) + bump * c[9]
    p = jnp.exp(-_LN10 * nl)
    if table.signed:
        below = stat < 0
        z = jnp.where(below, -z, z)
        nl = jnp.where(below, -jnp.log1p(-p) / _LN10, nl)
        p = jnp.where(below, 1 - p, p)
    infinite = stat == jnp.inf
    p = jnp.where(infinite, 0, p)
    z = jnp.clip(jnp.where(infinite, jnp.inf, z), -table.limit, table.limit)
    nl = jnp.where(infinite, jnp.inf, nl)
    # A NaN's cell is arbitrary.
    p, z, nl = (jnp.where(jnp.isnan(stat), jnp.nan, value) for value in (p, z, nl))
    return Tails(p_value=p, z_score=z, neg_log10_p=nl)


def _place(size: jax.Array, octaves: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Cell of a positive number, and where it lies within it from 0 to 1."""
    dtype = size.dtype
    kind, n_mantissa = np.dtype(f"i{dtype.itemsize}"), jnp.finfo(dtype).nmant
    n_cell = _N_CELL[dtype.name]
    n_rest = n_mantissa - n_cell
    low, high, one = (np.asarray(2.0**k, dtype) for k in (*octaves, 0))
    first, last, bias = (int(limit.view(kind)) for limit in (low, high, one))
    number = partial(jax.lax.bitcast_convert_type, new_dtype=dtype)
    held = jnp.minimum(size, np.nextafter(high, low))
    bits = jax.lax.bitcast_convert_type(held, kind)
    # What is beyond the cell's first number, over the power of two below that.
    scale = number(2 * bias - (bits & -(2**n_mantissa)))
    inside = (held - number(bits & -(2**n_rest))) * scale * 2.0**n_cell
    index = (bits >> n_rest) - (first >> n_rest) + 1
    index = jnp.clip(index, 0, (last - first) >> n_rest).astype(jnp.int32)
    return index, jnp.where(index == 0, size * (1 / low), inside)


@lru_cache(maxsize=16)
def _table(dof: float, dof_num: int | None, n_cell: int) -> tuple[np.ndarray, ...]:
    """Tabulate z and -log10 p: five coefficients of each per cell."""
    octaves = _T_OCTAVES if dof_num is None else _F_OCTAVES
    n_half = 2 << n_cell
    steps = np.arange(n_half * np.diff(octaves)[0])
    nodes = np.ldexp(1 + steps % n_half / n_half, octaves[0] + steps // n_half)
    # Ends of cells and their middles.
    nodes = np.concatenate([[0, nodes[0] / 2], nodes, [2.0 ** octaves[1]]])
    if dof_num is None:
        z, log_sf, log_density = _t_tail(dof, nodes)
    else:
        nodes[:2] = nodes[2]  # a cell without width
        z, log_sf, log_density = _f_tail(dof, dof_num, nodes)
    log_phi = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    width = np.diff(nodes[::2])
    return (
        *_quartics(z, np.exp(log_density - log_phi), width),
        *_quartics(-log_sf / _LN10, np.exp(log_density - log_sf) / _LN10, width),
    )


def _t_tail(dof: float, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, log of the tail and log of the density at values of t, the first of them 0."""
    a, ratio = dof / 2, t**2 / dof
    log_x = -np.log1p(ratio)
    with np.errstate(divide="ignore"):
        log_sf = _log_betainc(a, 0.5, log_x, np.log(ratio) + log_x) - np.log(2)
    log_density = (a + 0.5) * log_x - 0.5 * np.log(dof) - special.betaln(a, 0.5)
    z = -special.ndtri_exp(log_sf)
    z[0] = 0
    return z, log_sf, log_density


def _f_tail(
    dof: float, dof_num: int, F: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, log of the tail and log of the density at values of F."""
    a, b, ratio = dof / 2, dof_num / 2, F * (dof_num / dof)
    log_x = -np.log1p(ratio)
    log_y = np.log(ratio) + log_x
    log_sf, log_cdf = _log_betainc(a, b, log_x, log_y), _log_betainc(b, a, log_y, log_x)
    upper = log_sf < log_cdf
    z = special.ndtri_exp(np.where(upper, log_sf, log_cdf)) * np.where(upper, -1, 1)
    return z, log_sf, a * log_x + b * log_y - special.betaln(a, b) - np.log(F)


def _log_betainc(
    a: float, b: float, log_x: np.ndarray, log_y: np.ndarray
) -> np.ndarray:
    """Log of the regularised incomplete beta function, ``y = 1 - x``.

    SciPy's own where it does not underflow, else the continued fraction.
    """
    x = np.exp(log_x)
    value, near_one = np.empty_like(x), x >= 0.5
    value[~near_one] = special.betainc(a, b, x[~near_one])
    # Near one, x has lost its digits; the complement has them.
    value[near_one] = special.betaincc(b, a, np.exp(log_y[near_one]))
    log_value = np.log(np.where(value > 1e-280, value, 1))
    tiny = value <= 1e-280
    if tiny.any():
        front = a * log_x[tiny] + b * log_y[tiny] - special.betaln(a, b) - np.log(a)
        log_value[tiny] = front + np.log(_fraction(a, b, x[tiny]))
    return log_value


def _fraction(a: float, b: float, x: np.ndarray) -> np.ndarray:
    """Continued fraction of the incomplete beta function, by Lentz's method."""
    value, c, d = np.ones_like(x), np.full_like(x, np.inf), np.ones_like(x)
    for step in range(1, 1000):
        m = step // 2
        if step % 2:
            top = -(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1)) * x
        else:
            top = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m)) * x
        c, d = 1 + top / c, 1 / (1 + top * d)
        value = value * (c * d)
        if np.abs(c * d - 1).max() < 1e-15:
            break
    return value


def _quartics(
    values: np.ndarray, slopes: np.ndarray, width: np.ndarray
) -> list[np.ndarray]:
    """Cubic per cell by the values and slopes at its ends, and what its middle adds."""
    low, middle, high = values[:-1:2], values[1::2], values[2::2]
    rise, left, right = high - low, slopes[:-1:2] * width, slopes[2::2] * width
    bump = 16 * (middle - (low + high) / 2 - (left - right) / 8)
    return [low, left, 3 * rise - 2 * left - right, left + right - 2 * rise, bump]
