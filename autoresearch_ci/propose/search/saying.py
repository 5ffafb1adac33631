"""A change of constants -> a proposal: the sentence, and the files with the new values."""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch_ci.experiment import FileEdit, Proposal
from autoresearch_ci.propose.search.constants import Constant, rewrite
from autoresearch_ci.propose.search.literals import Value
from autoresearch_ci.propose.search.reading import Files, Key, Values

NAME = "search"


def proposal(files: Files, space: Mapping[Key, Constant], changes: Values) -> Proposal:
    """`changes` of the constants in `files`."""
    by_path: dict[str, dict[Constant, Value]] = {}
    for key, value in changes.items():
        by_path.setdefault(key[0], {})[space[key]] = value
    names = [name for _, name in space]
    said = [
        _sentence(space[key], value, full=names.count(key[1]) > 1) for key, value in changes.items()
    ]
    return Proposal(
        description=", ".join(said),
        edits=tuple(
            FileEdit(path=path, content=rewrite(files[path].data, changed))
            for path, changed in by_path.items()
        ),
        proposer=NAME,
    )


def _sentence(constant: Constant, value: Value, *, full: bool) -> str:
    """`full`: with the path, because another file has the name, too."""
    name = f"{constant.path}:{constant.name}" if full else constant.name
    verb = "switch" if isinstance(value, bool | str) else "raise"
    if verb == "raise" and value < constant.value:  # type: ignore[operator]
        verb = "lower"
    text = f"{verb} {name} from {constant.literal} to {constant.written(value)}"
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
