"""Which tests must pass, in files of the run store: 50,000 tests are too many for a record.

A file is named by its content's checksum, so a record that names it means that content and no other
file's, and what stays the same is written once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from autoresearch_ci.decide.lost_tests import Standard
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB

_BYTES = 64 * MIB
_NAME = re.compile(r"[0-9a-f]{16}\.json")
_STANDARD = TypeAdapter(Standard)


class SuiteFiles:
    """The standards of one run, on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, tuple[Standard, str]] = {}
        """The last standard of each role and its file: most iterations change none."""

    def save(self, standards: Mapping[str, Standard]) -> dict[str, str]:
        """By role, the names of the files that hold them."""
        for role, standard in standards.items():
            if role not in self._written or self._written[role][0] is not standard:
                self._written[role] = (standard, self._write(standard))
        return {role: self._written[role][1] for role in standards}

    def load(self, names: Mapping[str, str]) -> dict[str, Standard]:
        """Inverse of `save`. Raises `WorkspaceError`."""
        return {role: self._read(name) for role, name in names.items()}

    def _write(self, standard: Standard) -> str:
        content = _STANDARD.dump_json(standard)
        path = self._folder / _name(content)
        if not path.exists():
            self._folder.mkdir(exist_ok=True)
            replace_file(path, content)
        return path.name

    def _read(self, name: str) -> Standard:
        try:
            if not _NAME.fullmatch(name):
                raise ValueError("not a name of ours")
            content = file_bytes(self._folder / name, _BYTES, follow=False)
            if name != _name(content):
                raise ValueError("its checksum does not match")
            return _STANDARD.validate_json(content, strict=True)
        except (OSError, ValueError) as error:
            raise WorkspaceError(
                f"{self._folder / name}: which tests passed can no longer be read "
                f"({str(error)[:200]}).\n"
                "usually: the file was deleted or edited, or the disk lost it.\n"
                "do: start a new run with another --tag; the notebook keeps the attempts."
            ) from error


def _name(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:16]}.json"
