"""Sizes that are cheap."""

__all__ = ["fast_length", "few"]


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
