"""Which folders of a repository hold what its tools build, by the files that they are built from.

What is kept from one measurement to the next is the user's decision (`cache:`), as it is less
isolated; this is only what they may paste.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

GO_CACHE = ".cache/go-build/"
"""Nothing that Go looks into by itself: `GOCACHE` must name it."""
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "Cargo.toml": ("target/",),
    "go.mod": (GO_CACHE,),
    "build.gradle": (".gradle/", "build/"),
    "build.gradle.kts": (".gradle/", "build/"),
    "pom.xml": ("target/",),
    "package.json": ("node_modules/.cache/",),
    "CMakeLists.txt": ("build/",),
    "Package.swift": (".build/",),
    "mix.exs": ("_build/",),
    "build.zig": (".zig-cache/",),
    "dune-project": ("_build/",),
}
"""Of a project in whose folder there is such a file."""


def build_caches(paths: Iterable[str]) -> tuple[str, ...]:
    """For `cache:`, of the tracked `paths`; of projects within a project, the outer one's."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        if name in _OUTPUTS:
            folders.setdefault(name, set()).add(folder)
    return tuple(
        sorted(
            posixpath.join(folder, output)
            for name, where in folders.items()
            for folder in where
            if not any(_lies_in(folder, other) for other in where)
            for output in _OUTPUTS[name]
        )
    )


def _lies_in(folder: str, other: str) -> bool:
    return folder != other and (not other or folder.startswith(f"{other}/"))
