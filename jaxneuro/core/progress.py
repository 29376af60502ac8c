"""Progress bars around host loops."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

__all__ = ["meter", "track"]

T = TypeVar("T")


def track(
    iterable: Iterable[T], *, show: bool = False, desc: str = "", unit: str = "it"
) -> Iterator[T]:
    """Iterate with an optional progress bar on standard error.

    Parameters
    ----------
    iterable : iterable
        What to loop over.
    show : bool
        Whether to draw the bar. Off by default: compiled code is silent.
    desc : str
        Text before the bar.
    unit : str
        What one step is called.

    Yields
    ------
    object
        The elements of `iterable`, in order.
    """
    yield from tqdm(iterable, desc=desc, unit=unit, disable=not show, leave=False)


def meter(total: int, *, show: bool = False, desc: str = "", unit: str = "it") -> tqdm:
    """Make a progress bar that the caller moves and writes on.

    Parameters
    ----------
    total : int
        Number of steps.
    show : bool
        Whether to draw the bar.
    desc : str
        Text before the bar.
    unit : str
        What one step is called.

    Returns
    -------
    tqdm
        Bar with ``update`` and ``set_postfix_str``; close it, or use it in ``with``.
    """
    return tqdm(total=total, desc=desc, unit=unit, disable=not show, leave=False)
