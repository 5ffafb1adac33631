"""A run in one file, for a second job that may write: commits, notebook, and what was measured.

Written where there is no write token, read where nothing of the repository is run. The reader
trusts nothing in it: verify_bundle.py checks every commit before anything is pushed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

import autoresearch_ci
from autoresearch_ci.errors import AutoresearchError, ConfigError, WorkspaceError
from autoresearch_ci.experiment import Published
from autoresearch_ci.publish.publisher import Publisher, RunRecord, StartPoint, illustrated_notebook
from autoresearch_ci.record.run_names import is_tag, run_store
from autoresearch_ci.report.run_summary import RunInfo
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.repository import Repository

NAME = "autoresearch.bundle"
_MANIFEST, _COMMITS = "manifest.json", "commits.bundle"
_MANIFEST_LIMIT = 2_000_000
_COMMITS_LIMIT = 512_000_000
_FORMAT = 1
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What the file says about itself; claims, until they are checked."""

    format: int
    version: str
    command: Literal["run", "fix"] = "run"
    """What made it: by whose part of the base commit's configuration it is judged."""
    tag: str
    branch: str
    """Name of the published branch."""
    base: str
    merges: Sequence[str] = ()
    """The two commits whose merge the base is; empty: it is no merge of ours."""
    head: str
    """The newest kept commit; the base when nothing was kept."""
    notebook: str
    """The notebook's newest commit."""
    sha256: str
    """Of the commits' file: a download that was cut short is recognised."""
    info: RunInfo


class BundlePublisher(Publisher):
    """Writes a file into the run folder, at the end and after each keep."""

    def __init__(
        self, repository: Repository, branch: str, resolve_start: Callable[[str], StartPoint]
    ) -> None:
        """`resolve_start`: by tag, from what the forge lets us read."""
        self._repository = repository
        self._branch = branch
        self._resolve_start = resolve_start
        self._start_point = StartPoint(branch=branch)
        self._record: RunRecord | None = None
        self._describe: Callable[[], RunInfo] | None = None

    def begin(self, tag: str) -> StartPoint:
        return self._resolve_start(tag)

    def follow(self, record: RunRecord, start: StartPoint, describe: Callable[[], RunInfo]) -> None:
        self._record, self._describe, self._start_point = record, describe, start

    def kept(self) -> None:
        """A job that is killed still leaves what it kept."""
        self._write()

    def finish(self, *, hurry: bool) -> Published:
        written = self._write()
        return Published(file=str(written) if written else "")

    def close(self) -> None:
        self._repository.close()

    def _write(self) -> Path | None:
        record, describe = self._record, self._describe
        if record is None or describe is None or not record.experiments:
            return None
        began, info = self._start_point, describe()
        notebook = illustrated_notebook(
            record, info, replace(began, branch=began.branch or self._branch)
        )
        if notebook is None:
            return None
        return write(self._repository, record, info, began, branch=self._branch, notebook=notebook)


def write(
    repository: Repository,
    record: RunRecord,
    info: RunInfo,
    start: StartPoint,
    *,
    branch: str,
    notebook: str,
) -> Path:
    """The file, in the run folder; `branch`: the first name that is tried on the forge."""
    facts = record.facts
    with tempfile.TemporaryDirectory(dir=facts.folder) as folder:
        commits = Path(folder) / _COMMITS
        refs = [facts.notebook_ref]
        if record.history.kept and facts.branch_ref:
            refs.append(facts.branch_ref)
        git = GitDirectory(repository.root, repository.git_dir)
        git("bundle", "create", "--quiet", str(commits), *refs, f"^{facts.base}")
        data = commits.read_bytes()
        manifest = Manifest(
            format=_FORMAT,
            version=autoresearch_ci.__version__,
            command="run" if info.repairs is None else "fix",
            tag=facts.tag,
            branch=branch,
            base=facts.base,
            merges=start.merges,
            head=record.incumbent,
            notebook=notebook,
            sha256=hashlib.sha256(data).hexdigest(),
            info=info,
        )
        text = json.dumps(dataclasses.asdict(manifest), indent=1, ensure_ascii=False)
        new = Path(folder) / NAME
        with tarfile.open(new, "w") as archive:
            for name, content in ((_MANIFEST, text.encode()), (_COMMITS, data)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return new.replace(facts.folder / NAME)


def keep_copy(repository: Repository, tag: str, file: Path) -> None:
    """Copy a run's bundle to where no cleaning of the checkout removes it. Raises `OSError`."""
    store = run_store(repository, tag)
    if store.is_dir():
        new = store / f"{NAME}.new"
        shutil.copyfile(file, new)
        new.replace(store / NAME)


def drop_copy(repository: Repository, tag: str, head: str) -> None:
    """That of a run whose newest commit is on the forge now: `head`."""
    file = run_store(repository, tag) / NAME
    try:
        if read(file)[0].head == head:
            file.unlink()
    except AutoresearchError:
        return  # there is none, or it is said when it is looked for


def read(path: Path) -> tuple[Manifest, bytes]:
    """The manifest and the commits' file. Raises `ConfigError` or `WorkspaceError`."""
    try:
        # Member by member, never extracted: a name in an archive is only a name.
        with tarfile.open(path, "r:") as archive:
            text = _member(archive, _MANIFEST, _MANIFEST_LIMIT)
            commits = _member(archive, _COMMITS, _COMMITS_LIMIT)
    except FileNotFoundError as error:
        raise ConfigError(
            f"--bundle {path}: there is no such file.\n"
            "usually: the artifact was not downloaded, or lies in a folder of its own.\n"
            "do: ls, and name the file that the first job wrote."
        ) from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _unusable(path, "it is not a bundle of ours") from error
    try:
        data = json.loads(text)
        manifest = _reader().validate_python(_typed(data), strict=False)
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise _unusable(path, "its manifest cannot be read") from error
    if manifest.format != _FORMAT:
        raise _unusable(path, f"its format {manifest.format} is of another version")
    origin = manifest.info.lineage.origin or manifest.base
    names = (manifest.base, *manifest.merges, manifest.head, manifest.notebook, origin)
    if not is_tag(manifest.tag) or not all(_COMMIT.fullmatch(name) for name in names):
        raise _unusable(path, "its manifest names no run")
    if hashlib.sha256(commits).hexdigest() != manifest.sha256:
        raise _unusable(path, "its commits are not those that were written")
    return manifest, commits


@cache
def _reader() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _member(archive: tarfile.TarFile, name: str, limit: int) -> bytes:
    member = archive.next()
    if member is None or member.name != name or not member.isreg() or member.size > limit:
        raise tarfile.TarError(f"expected {name} of at most {limit} bytes")
    file = archive.extractfile(member)
    if file is None:
        raise tarfile.TarError(f"{name} is no file")
    data = file.read(limit + 1)
    if len(data) != member.size:
        raise tarfile.TarError(f"{name} is cut short")
    return data


def _typed(data: Any) -> Any:
    """Unknown fields are refused: what is not understood is not published."""
    if not isinstance(data, dict) or not isinstance(data.get("info"), dict):
        raise ValueError("no manifest")
    for cls, values in ((Manifest, data), (RunInfo, data["info"])):
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown fields: {sorted(unknown)}")
    return data


def _unusable(path: Path, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"--bundle {path}: {why}, so nothing is published.\n"
        "usually: the download was cut short, or another version of autoresearch-ci wrote it.\n"
        "do: run the first job again; use the same version in both."
    )
