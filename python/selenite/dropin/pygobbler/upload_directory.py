"""Uploads of new versions."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from .allocate_upload_directory import allocate_upload_directory

__all__ = ["allocate_upload_directory", "compute_md5sum", "upload_directory"]

# So many names of what is left out are told.
_NAMES = 5
# What a Zarr store (format 2) is not one without.
_OF_ZARR = frozenset({".zarray", ".zgroup"})


def upload_directory(
    project: str,
    asset: str,
    version: str,
    directory: str | os.PathLike[str],
    staging: str | os.PathLike[str],
    url: str,
    probation: bool = False,
    consume: bool | None = None,
    ignore_dot: bool = True,
    spoof: str | None = None,
    concurrent: int = 1,
) -> None:
    """Upload a directory as a new version.

    What is left out of it, because of its names, is told by a ``selenite.LeftOutWarning``.

    A direct child of the staging directory is handed over as it is. Any other directory is copied
    there first; each copy is read again and compared with its source. Copies have mode 666 less the
    umask, so that the service can read them. The copy is removed at the end, also after errors; if
    the call is interrupted while the service may be reading it, it is left to the service's purge.

    Symbolic links to files of the registry become links there. Links inside of the directory stay
    what they are, wherever the copy lies.

    Args:
        project: Name of the project.
        asset: Name of the asset; it is made if it does not exist.
        version: Name of the new version.
        directory: Directory to upload.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        probation: Upload on probation, to be approved or rejected later.
        consume: Allow the service to move files instead of copying them; None to allow it only if
            the directory was copied.
        ignore_dot: Make the service leave out files and directories whose names begin with a dot.
            Zarr stores (of format 2) need False: theirs begin so. Names that begin with two dots
            are the registry's own, and left out always.
        spoof: User on whose behalf the request is made, if the service allows it.
        concurrent: Accepted for compatibility. The number of threads that copy is that of the
            processors, limited by ``SELENITE_JOBS``.

    Raises:
        FileNotFoundError: If the directory or the staging directory does not exist.
        NotADirectoryError: If ``directory`` is not one.
        ValueError: If the directory holds what cannot be uploaded (a link to a directory or to
            nowhere, a FIFO, socket or device, a name that is not UTF-8), if it holds the staging
            directory, or if a copy differs from its source or a file changes while it is copied.
            Nothing has been asked of the service then. Also if the manifest of the new version is
            not what was copied; the version is there then.
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.

    Example:
        >>> import pygobbler
        >>> pygobbler.upload_directory("test", "simple", "v3", "results", staging, url)
    """
    from selenite._progress import tracking

    left_out = _core.gobbler_left_out(directory, ignore_dot=ignore_dot)
    if left_out:
        _warn(directory, left_out)
    with tracking("upload_directory", directory) as progress, translated():
        _core.gobbler_upload(
            project,
            asset,
            version,
            directory,
            staging,
            url,
            spoof,
            progress,
            probation=probation,
            consume=consume,
            ignore_dot=ignore_dot,
        )


def _warn(directory: str | os.PathLike[str], left_out: list[str]) -> None:
    import warnings

    from selenite import LeftOutWarning

    internal = [path for path in left_out if "/.." in "/" + path]
    hidden = [path for path in left_out if "/.." not in "/" + path]
    parts = []
    if hidden:
        parts.append(f"{_told(hidden, '.', 'a dot')}, which `ignore_dot=False` uploads")
    if internal:
        parts.append(f"{_told(internal, '..', 'two dots')}, which cannot be uploaded")
    needed = sorted(_OF_ZARR & {path.rpartition("/")[2] for path in hidden})
    if needed:
        names = " and ".join(f"`{name}`" for name in needed)
        parts.append(f"a Zarr store cannot be opened again without its {names}")
    message = f"left out of the upload of `{os.fspath(directory)}`: {'; '.join(parts)}"
    warnings.warn(LeftOutWarning(message, left_out), stacklevel=3)


def _told(paths: list[str], start: str, words: str) -> str:
    tops = list(dict.fromkeys(_top(path, start) for path in paths))
    names = ", ".join(f"`{top}`" for top in tops[:_NAMES])
    more = ", ..." if len(tops) > _NAMES else ""
    noun = "entry" if len(paths) == 1 else "entries"
    return f"{len(paths)} {noun} beginning with {words} ({names}{more})"


def _top(path: str, start: str) -> str:
    """Shorten a path to the first part that is left out."""
    head, found, rest = ("/" + path).partition("/" + start)
    name, slash, _ = rest.partition("/")
    return f"{head}{found}{name}{slash}"[1:]


def compute_md5sum(path: str | os.PathLike[str]) -> str:
    """Digest a file.

    Args:
        path: Path of the file.

    Returns:
        Its MD5 digest in hexadecimal digits.

    Raises:
        FileNotFoundError: If there is no such file.

    Example:
        >>> compute_md5sum("empty.txt")
        'd41d8cd98f00b204e9800998ecf8427e'
    """
    with translated():
        return _core.md5_file(path)
