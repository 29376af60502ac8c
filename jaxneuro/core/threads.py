"""Independent pieces of work side by side on the cores of a CPU."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer
from threadpoolctl import ThreadpoolController

from .progress import track

__all__ = ["ahead", "one_blas_thread", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    like: jax.Array | None = None,
    show: bool = False,
    desc: str = "",
) -> list[Result]:
    """Call a compiled function for every item, several at a time on a CPU.

    A factorisation keeps one core busy but not two: two of them, each on one core,
    take a quarter less time than one after the other on both. BLAS is therefore held
    to one thread meanwhile, in the whole process. On accelerators, with one core and
    while JAX traces, the calls come in turn.

    Parameters
    ----------
    function : callable
        Takes an item and gives a pytree of arrays. As many calls as there are cores
        hold their memory at the same time. It may factorise matrices one by one but no
        batches of them: on XLA's few threads such batches wait for each other for ever.
    items : sequence
        What to call it with.
    like : array, optional
        Of the work; where it lies decides. Default: the host.
    show, desc
        As in :func:`jaxneuro.core.progress.track`.

    Returns
    -------
    list
        A result per item, in their order.
    """
    n_threads = min(len(items), os.cpu_count() or 1)
    traced = isinstance(like, Tracer)
    if traced or like is not None and next(iter(like.devices())).platform != "cpu":
        n_threads = 1
    if n_threads < 2:
        return [function(item) for item in track(items, show=show, desc=desc)]
    work = _elsewhere(function)
    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        bar = track(items, show=show, desc=desc)
        return [result for result, _ in zip(pool.map(work, items), bar, strict=True)]


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Call a function for every item, while the caller uses the result before.

    BLAS is held to one thread meanwhile, as in :func:`side_by_side`: the caller's
    products have the other cores.

    Parameters
    ----------
    function : callable
        Takes an item and gives a pytree of arrays. The calls come in turn, and the
        results of two of them are held at the same time. It may factorise matrices
        one by one but no batches of them, nor may what the caller does meanwhile.
    items : iterable
        What to call it with.

    Yields
    ------
    object
        A result per item, in their order.
    """
    work = _elsewhere(function)
    with one_blas_thread(), ThreadPoolExecutor(1) as pool:
        waiting: Future[Result] | None = None
        for item in items:
            ready, waiting = waiting, pool.submit(work, item)
            if ready is not None:
                yield ready.result()
        if waiting is not None:
            yield waiting.result()


def _elsewhere(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Give a function for another thread: JAX's switches belong to a thread."""
    x64 = jnp.zeros(()).dtype == jnp.float64
    device = jax.config.jax_default_device  # type: ignore[attr-defined]  # made late

    def work(item: Item) -> Result:
        with jax.enable_x64(x64), jax.default_device(device):
            return jax.block_until_ready(function(item))

    return work


def one_blas_thread() -> AbstractContextManager:
    """Hold the BLAS of NumPy and SciPy to the calling thread.

    Its other threads spin for tens of milliseconds after a small factorisation, on the
    cores that JAX then needs.

    Returns
    -------
    context manager
        For the whole process; the numbers of threads come back at its end.
    """
    return _libraries().limit(limits=1)


@cache
def _libraries() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds. JAX calls the one of scipy.linalg,
    # which it loads late.
    import_module("scipy.linalg")
    return ThreadpoolController().select(user_api="blas")
