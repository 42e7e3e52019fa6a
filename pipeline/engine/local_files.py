"""Files on this machine's disks and mounts that are whole or absent at every moment.

Disks have links, renames over existing files, exclusive creation and flushed folders. Other mounts (FUSE, SMB, exFAT)
lack some of these; each replacement is explained where it is used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid

TEMPORARY = ".tmp-"
"""Prefix of the names of files that are being written; without a running writer it is left over from a kill."""

_NOT_OFFERED = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
)


def write_whole(target: str, data: bytes | memoryview) -> None:
    """Writes a file under a temporary name, flushes it to the disk and renames it; makes the folder.

    Raises OSError if it could not be written; the file that was there before is still there.
    """
    temporary = _temporary(os.path.dirname(target))
    try:
        _fill(temporary, data, target)
        give_name(temporary, target)
    except BaseException:
        _unlink(temporary)
        raise
    _flush_folder(os.path.dirname(target))


def create_whole(target: str, data: bytes) -> bool | None:
    """Writes a file only if there is none; returns whether it did, or None where the file system does not know.

    Raises OSError if it could not be written.
    """
    temporary = _temporary(os.path.dirname(target))
    try:
        _fill(temporary, data, target)
        os.link(temporary, target)  # fails if the target exists, and never shows half a file
        return True
    except FileExistsError:
        return False
    except OSError:  # no hard links here; any other error occurs again in the other way
        return _create_in_place(target, data)
    finally:
        _unlink(temporary)


def _create_in_place(target: str, data: bytes) -> bool | None:
    """Makes the file only if absent and then fills it: for a moment a reader may find the beginning of it."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return None
        raise
    try:
        _fill(target, data, target)
    except BaseException:
        _unlink(target)
        raise
    return True


def give_name(temporary: str, target: str) -> None:
    """Renames a finished file to its name, over the file that had it.

    Raises OSError if it could not be renamed; what was there before is still there.
    """
    try:
        os.replace(temporary, target)
    except OSError:
        if not os.path.isfile(target):
            raise
        # No renaming over a file here: the old one is renamed first, and back if the new one cannot have its name.
        aside = _temporary(os.path.dirname(target))
        os.rename(target, aside)
        try:
            os.rename(temporary, target)
        except BaseException:
            os.rename(aside, target)
            raise
        os.unlink(aside)


def _fill(path: str, data: bytes | memoryview, target: str) -> None:
    """Raises OSError, which names the file that it is to be: of a full disk the system names none."""
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            _flush(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from error


def _flush(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:  # a full or broken disk is an error
            raise


def _flush_folder(folder: str) -> None:
    """Makes a new name last; mounts whose folders cannot be opened or flushed keep names in their own way."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        return
    try:
        _flush(handle)
    finally:
        os.close(handle)


def _temporary(folder: str) -> str:
    os.makedirs(folder, exist_ok=True)
    return f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
