"""Sizes that arguments may have, and sizes that are cheap."""

from ..core import check

__all__ = ["fast_length", "few", "positive"]


def positive(name: str, value: object) -> float:
    """Convert to a finite Python float above zero.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    value : float
        A real number.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not finite and positive.
    """
    number = check.real_number(name, value)
    if number <= 0:
        raise ValueError(f"{name} is {number:g} but must be positive.")
    return number


def few(n: int) -> int:
    """Round up to one of few sizes, so that few shapes are ever compiled.

    Parameters
    ----------
    n : int
        Least size.

    Returns
    -------
    int
        Least number of three significant bits that is not below `n`.
    """
    quantum = 1 << max(0, n.bit_length() - 3)
    return -(-n // quantum) * quantum


def fast_length(n: int) -> int:
    """Find the next length of a fast Fourier transform.

    Parameters
    ----------
    n : int
        Least length.

    Returns
    -------
    int
        Least product of powers of 2, 3 and 5 that is not below `n`.
    """
    rest = n
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return n if rest == 1 else fast_length(n + 1)
