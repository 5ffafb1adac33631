"""Editable installs as the tools leave them: recorded from real ones, without the tools.

`pip install -e .` was run once with each build backend; what lies in `site-packages` afterwards is
written here for a package `lib0` at a place of the test's choice.
"""

from __future__ import annotations

import sys
from pathlib import Path

FORMS = ("setuptools finder", "poetry", "egg-link")
"""One of each kind: a finder that is imported, a line of a `.pth`, and its forerunner.

The others write a line of a `.pth`, too; flit's has no end."""

_FINDER = """\
from __future__ import annotations
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path

MAPPING: dict[str, str] = {'lib0': '%s'}
NAMESPACES: dict[str, list[str]] = {}
PATH_PLACEHOLDER = '__editable__.lib0-0.1.finder' + ".__path_hook__"


class _EditableFinder:  # MetaPathFinder
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            place = Path(MAPPING[fullname])
            init = place / "__init__.py"
            found = init if init.exists() else place.with_name(place.name + ".py")
            return spec_from_file_location(fullname, found)
        return None


def install():
    if not any(finder == _EditableFinder for finder in sys.meta_path):
        sys.meta_path.append(_EditableFinder)
"""


def make_environment(folder: Path, checkout: Path, backend: str) -> Path:
    """A virtual environment with `lib0` of `checkout/src` installed; returns its Python."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    (folder / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\nversion = {version}\n")
    source = checkout / "src"
    files = {
        "setuptools": {"__editable__.lib0-0.1.pth": f"{source}\n"},
        "setuptools finder": {
            "__editable__.lib0-0.1.pth": "import __editable___lib0_0_1_finder; "
            "__editable___lib0_0_1_finder.install()",
            "__editable___lib0_0_1_finder.py": _FINDER % (source / "lib0"),
        },
        "poetry": {"lib0.pth": f"{source}\n"},
        "flit": {"lib0.pth": str(source)},
        "egg-link": {"lib0.egg-link": f"{source}\n.", "easy-install.pth": f"{source}\n"},
    }[backend]
    for name, text in files.items():
        (site / name).write_text(text)
    info = site / "lib0-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lib0\nVersion: 0.1\n")
    told = f'{{"dir_info": {{"editable": true}}, "url": "file://{checkout}"}}'
    (info / "direct_url.json").write_text(told)
    script = folder / "bin" / "lib0"
    script.write_text(f"#!{python}\nimport lib0\nprint('value:', lib0.VALUE)\n")
    script.chmod(0o755)
    return python


def make_copy(folder: Path, checkout: Path, *, url: str, extra: str = "") -> Path:
    """An environment into which `pip install .` has copied `lib0`; returns its Python.

    `url`: where it says that it came from; `extra`: a file of the copy that is in no commit.
    """
    python = make_environment(folder, checkout, "poetry")
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "lib0.pth").unlink()
    files = ["lib0/__init__.py", *([f"lib0/{extra}"] if extra else [])]
    (site / "lib0").mkdir()
    (site / files[0]).write_bytes((checkout / "src" / files[0]).read_bytes())
    if extra:
        (site / files[1]).write_text("VERSION = 1\n")
    info = site / "lib0-0.1.dist-info"
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    (info / "direct_url.json").write_text(f'{{"dir_info": {{}}, "url": "{url}"}}' if url else "")
    return python
