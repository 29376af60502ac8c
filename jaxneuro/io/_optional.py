"""Packages that only some doors need."""

from importlib import import_module
from types import ModuleType

__all__ = ["missing", "require"]


def require(package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a package of an extra, or say how to install it.

    Parameters
    ----------
    package : str
        Name to import.
    extra : str
        Extra of jaxneuro that brings it.
    purpose : str
        What needs it, as the subject of the message.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        # A broken dependency of an installed package is another story: tell that one.
        if error.name != package:
            raise
        raise ImportError(missing(package, extra=extra, purpose=purpose)) from error


def missing(package: str, *, extra: str, purpose: str) -> str:
    """Write the sentence for a package that is not installed.

    Parameters
    ----------
    package, extra, purpose : str
        As for :func:`require`.

    Returns
    -------
    str
        The sentence, with the command that helps.
    """
    return (
        f"{purpose} needs {package}, which is not installed; "
        f'run: pip install "jaxneuro[{extra}]"'
    )
