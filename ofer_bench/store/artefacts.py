"""Content-addressed artefacts: written in a temporary folder, moved into place in one step, under a lock."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import StoreError
from ofer_bench.core.hashing import file_digest

MANIFEST = "artefact.json"
SCHEMA = 1
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A finished stage output: its folder and what was noted when it was made."""

    path: Path
    key: str
    meta: Mapping[str, Any]


class BeingMade(Exception):
    """Another process is making this artefact now."""


class Store:
    """A folder of artefacts, addressed by kind and key. Safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for name in ("artefacts", "partial", "locks"):
                (root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store {root} can't be written: {error.strerror}", hint="set OFER_BENCH_STORE to a writable folder"
            ) from None

    def path(self, kind: str, key: str) -> Path:
        """Folder of an artefact, whether it exists or not."""
        return self.root / "artefacts" / kind / key

    def find(self, kind: str, key: str) -> Artefact | None:
        """Return a finished artefact whose files are all there in their full size, or None."""
        path = self.path(kind, key)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            complete = all((path / name).stat().st_size == size for name, (_, size) in manifest["files"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return Artefact(path=path, key=key, meta=manifest["meta"]) if complete else None

    def produce(
        self, kind: str, key: str, write: Callable[[Path], Mapping[str, Any]], *, wait: bool = True
    ) -> Artefact:
        """Return the artefact, made by ``write(folder) -> meta`` unless it is there already.

        A second process asking for the same artefact waits and then finds it; without ``wait`` it gets BeingMade
        instead. What a killed process left behind is thrown away. StoreError when the store can't be written; whatever
        else ``write`` raises is its own affair, a file that it did not find included.
        """
        with self._lock(kind, key, wait):
            found = self.find(kind, key)
            if found is not None:
                return found
            partial, final = self.root / "partial" / key, self.path(kind, key)
            shutil.rmtree(partial, ignore_errors=True)
            with self._writing(kind, key):
                partial.mkdir(parents=True)
            try:
                meta = dict(write(partial))
            except OSError as error:
                if error.errno in _UNWRITABLE:
                    raise self._unwritable(kind, key, error) from error
                raise
            with self._writing(kind, key):
                _seal(partial, meta)
                final.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(final, ignore_errors=True)
                partial.rename(final)
                _sync(final.parent)
            return Artefact(path=final, key=key, meta=meta)

    @contextmanager
    def _lock(self, kind: str, key: str, wait: bool) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.root / "locks" / f"{key}.lock")
        try:
            lock.acquire(blocking=wait)
        except Timeout:
            raise BeingMade(f"{kind} {key}") from None
        except OSError as error:
            raise self._unwritable(kind, key, error) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _writing(self, kind: str, key: str) -> Iterator[None]:
        """Every OSError in here is the store's."""
        try:
            yield
        except OSError as error:
            raise self._unwritable(kind, key, error) from error

    def _unwritable(self, kind: str, key: str, error: OSError) -> StoreError:
        return StoreError(
            f"{kind} {key} can't be written to {self.root}: {error.strerror or error}",
            hint="free disk space, or set OFER_BENCH_STORE to another folder; then run the same command",
        )


def _seal(folder: Path, meta: Mapping[str, Any]) -> None:
    """Note size and digest of every file, then flush all of it to the disk."""
    files = {p.name: (file_digest(p), p.stat().st_size) for p in sorted(folder.iterdir())}
    manifest = {"schema": SCHEMA, "meta": meta, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
