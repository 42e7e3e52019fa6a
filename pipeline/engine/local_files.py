"""Files on this machine's disks and mounts that are whole or absent at every moment.

Disks have all it takes: links, renames over what is there, files made only if absent, flushed folders. Mounts of other
kinds (FUSE, SMB, exFAT) lack some of these; what each is replaced by is said where it happens.
"""

from __future__ import annotations

import errno
import os
import uuid

TEMPORARY = ".tmp-"
"""How the names of files begin that are being written; one that nobody writes any more is a left-over of a kill."""

_NOT_OFFERED = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
)


def write_whole(target: str, data: bytes) -> None:
    """Writes a file under a temporary name, flushes it to the disk and gives it its name; the folder is made.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    temporary = _temporary(folder)
    try:
        _fill(temporary, data)
        give_name(temporary, target)
    except BaseException:
        _unlink(temporary)
        raise
    _flush_folder(folder)


def create_whole(target: str, data: bytes) -> bool | None:
    """Writes a file only if there is none; returns whether it did, or None where the file system cannot tell.

    Raises:
        OSError: it could not be written.
    """
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    temporary = _temporary(folder)
    try:
        _fill(temporary, data)
        os.link(temporary, target)  # fails if the target exists, and never shows half a file
        return True
    except FileExistsError:
        return False
    except OSError:  # no hard links here: what is really wrong shows again in the other way
        return _create_in_place(target, data)
    finally:
        _unlink(temporary)


def _create_in_place(target: str, data: bytes) -> bool | None:
    """Makes the file only if absent and then fills it: for a moment a reader may meet the beginning of it."""
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return None
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            _flush(file.fileno())
    except BaseException:
        _unlink(target)
        raise
    return True


def _fill(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        _flush(file.fileno())


def give_name(temporary: str, target: str) -> None:
    """Renames a finished file to its name; what had the name before is gone.

    Raises:
        OSError: it could not be renamed; what was there before is still there.
    """
    try:
        os.replace(temporary, target)
    except OSError:
        if not os.path.isfile(target):
            raise
        # No renaming over what is there: the old file steps aside, and is back if the new one cannot take its place.
        aside = _temporary(os.path.dirname(target))
        os.rename(target, aside)
        try:
            os.rename(temporary, target)
        except BaseException:
            os.rename(aside, target)
            raise
        os.unlink(aside)


def _flush(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:  # a disk that is full or broken is not to be passed over
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
    return f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"


def _unlink(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
