"""What is measured is the candidate, wherever an environment says that its code lies."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.execution.sandbox import landlock
from tests.editable import FORMS, make_copy, make_environment

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

LIB = "src/lib0/__init__.py"
PYTHON = shlex.quote(sys.executable)
NAMED = ("--metric-name", "value", "--confirm", "never")
UNSEEN: dict[str, str | None] = {"sandbox-write": None}
"""As for users: the checkout is in no view."""


@pytest.fixture
def library(repo: Repo, script: Script) -> Repo:
    """A package in `src`, and a proposal that makes it better."""
    repo.write(LIB, "VALUE = 10\n")
    repo.write("bench.py", "import lib0\nprint('value:', lib0.VALUE)\n")
    repo.write(".gitignore", ".venv/\nnode_modules/\n")
    repo.commit("a library")
    script({"description": "nine", "files": {LIB: "VALUE = 9\n"}})
    return repo


@pytest.mark.parametrize(
    ("metric", "backend"),
    [
        *((".venv/bin/python bench.py", backend) for backend in FORMS),
        (".venv/bin/lib0", "flit"),
    ],
)
def test_an_editable_install_in_a_shared_environment_is_the_candidates(
    library: Repo, run: Run, backend: str, metric: str
) -> None:
    """Through the interpreter, and through a console script that names it."""
    make_environment(library.path / ".venv", library.path, backend)
    before = library.photograph()
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told
    assert done.column("status") == ["baseline", "keep"], done.told
    assert library.photograph() == before


def test_an_activated_shared_environment_is_the_copy(library: Repo, run: Run) -> None:
    make_environment(library.path / ".venv", library.path, "poetry")
    activate = library.path / ".venv/bin/activate"
    activate.write_text(f'export VIRTUAL_ENV="{library.path}/.venv" PATH="{activate.parent}:$PATH"')
    done = run(*NAMED, metric=". .venv/bin/activate && python bench.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_what_a_command_does_to_a_rewritten_file_is_undone(library: Repo, run: Run) -> None:
    """It comes back as it was rewritten, not as the checkout has it."""
    make_environment(library.path / ".venv", library.path, "poetry")
    spoil = 'echo > "$(echo .venv/lib/python*/site-packages/lib0.pth)"'
    done = run(*NAMED, metric=f".venv/bin/python bench.py && {spoil}", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("absolute", [True, False])
def test_a_linked_package_is_the_candidates(
    library: Repo, run: Run, absolute: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A workspace's relative link, and npm link's way through a folder elsewhere."""
    modules = library.path / "node_modules"
    modules.mkdir()
    target = "../src/lib0"
    if absolute:
        elsewhere = tmp_path_factory.mktemp("global") / "lib0"
        elsewhere.symlink_to(library.path / "src" / "lib0")
        target = str(elsewhere)
    (modules / "lib0").symlink_to(target)
    done = run(*NAMED, metric="sed 's/VALUE =/value:/' node_modules/lib0/__init__.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where an environment outside of the repository is made, as setup-python or conda do."""
    return tmp_path / "environments" / "one"


@pytest.mark.parametrize(
    ("backend", "source"), [(FORMS[0], "src/lib0.py"), (FORMS[1], LIB), (FORMS[2], LIB)]
)
def test_an_editable_install_elsewhere_on_path_is_the_candidates(
    library: Repo,
    run: Run,
    script: Script,
    elsewhere: Path,
    backend: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of a module that is one file."""
    if source != LIB:
        library.git("mv", LIB, source)
        library.commit("one file")
        script({"description": "nine", "files": {source: "VALUE = 9\n"}})
    python = make_environment(elsewhere, library.path, backend)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    done = run(*NAMED, "--guard", "lib0", metric="python bench.py", scope=source, **UNSEEN)
    assert done.column("metric") == ["10", "9"], done.told
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "redirected: " in done.err + done.out


SCRIPTS = {
    "sh run.sh": ("run.sh", "set -e\n{python} bench.py\n"),
    "make -s bench": ("Makefile", "bench:\n\t@cd . && {python} bench.py\n"),
    f"{PYTHON} all.py": (
        "all.py",
        "import subprocess\nsubprocess.call(['{python}', 'bench.py'])\n",
    ),
    "sh named.sh": ("named.sh", "lib0\n"),
}


@pytest.mark.parametrize("metric", SCRIPTS)
def test_an_editable_install_that_only_a_script_uses_is_the_candidates(
    library: Repo, run: Run, elsewhere: Path, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(elsewhere, library.path, "poetry")
    path, text = SCRIPTS[metric]
    library.write(path, text.format(python=python))
    library.commit("a script")
    if "named" in metric:  # a console script alone is on PATH, as pipx puts it there
        tools = elsewhere.parent / "tools"
        tools.mkdir()
        (tools / "lib0").symlink_to(python.parent / "lib0")
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told
    assert "redirected: " in done.told


@pytest.mark.parametrize("backend", ["setuptools", "hatchling"])
def test_what_pip_itself_installs_in_place_is_the_candidates(
    library: Repo, run: Run, backend: str
) -> None:
    build = {"setuptools": "setuptools.build_meta", "hatchling": "hatchling.build"}[backend]
    library.write(
        "pyproject.toml",
        f"[project]\nname = 'lib0'\nversion = '0.1'\n[build-system]\nrequires = ['{backend}']\n"
        f"build-backend = '{build}'\n[tool.setuptools.packages.find]\nwhere = ['src']\n",
    )
    library.write(".gitignore", ".venv/\n*.egg-info/\n")
    library.commit("a project")
    folder = library.path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    subprocess.run(
        [
            folder / "bin/python",
            *("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", "."),
        ],
        env={**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")},
        cwd=library.path,
        check=True,
    )
    done = run(*NAMED, metric=".venv/bin/python bench.py", scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told


@pytest.mark.parametrize("layout", ["flat", "src"])
def test_an_activated_environment_in_the_checkout_is_redirected(
    library: Repo, run: Run, script: Script, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on PATH, so it is not copied; also where the package lies beside it. What else is
    installed in it is found where it is."""
    folder = library.path / ".venv"
    python = make_environment(folder, library.path, "poetry")
    (next(folder.glob("lib/*/site-packages")) / "other.py").touch()
    library.write("bench.py", "import lib0, other\nprint('value:', lib0.VALUE)\n")
    library.commit("uses another package, too")
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    lib = LIB
    if layout == "flat":
        lib = LIB.removeprefix("src/")
        library.git("mv", "src/lib0", "lib0")
        library.commit("flat")
        path_file = next(folder.glob("lib/*/site-packages/lib0.pth"))
        path_file.write_text(str(library.path))
        script({"description": "nine", "files": {lib: "VALUE = 9\n"}})
    metric = f"cd $TMPDIR && {python} $OLDPWD/bench.py"
    done = run(*NAMED, metric=metric, scope=lib, **UNSEEN)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_package_that_a_candidate_deletes_is_not_found_in_the_checkout(
    library: Repo, run: Run, script: Script, elsewhere: Path
) -> None:
    python = make_environment(elsewhere, library.path, "poetry")
    script({"description": "gone", "files": {LIB: None}})
    metric = f"{python} -c 'import lib0; print(\"value:\", len(lib0.__path__) and 9)'"
    done = run(*NAMED, metric=f"grep VALUE {LIB} >&2; {metric}; test -e {LIB}", scope=LIB)
    assert done.column("status") == ["baseline", "crash"], done.told


@pytest.mark.skipif(not landlock.abi(), reason="nothing can be hidden here")
def test_what_evades_the_redirection_finds_no_checkout(
    library: Repo, run: Run, elsewhere: Path
) -> None:
    """An isolated Python reads no variables: it must fail, and not measure the old code."""
    python = make_environment(elsewhere, library.path, "poetry")
    confined = {"sandbox-write": None}
    done = run(*NAMED, metric=f"{python} -I bench.py", scope=LIB, **confined)
    assert done.code == 4, done.told
    assert "No module named 'lib0'" in done.told


@pytest.mark.parametrize("way", ["link", "loader"])
def test_what_cannot_be_redirected_is_refused_with_the_file_that_says_it(
    library: Repo, run: Run, elsewhere: Path, way: str
) -> None:
    """A linked package, and the loader of a build in place."""
    python = make_environment(elsewhere, library.path, "poetry")
    path_file = next(elsewhere.glob("lib/*/site-packages/lib0.pth"))
    blamed = path_file.with_name("lib0")
    if way == "link":
        path_file.unlink()
        blamed.symlink_to(library.path / "src" / "lib0")
    else:
        path_file.write_text("import _lib0_editable_loader")
        blamed = path_file.with_name("_lib0_editable_loader.py")
        blamed.write_text(f"BUILD = {str(library.path / 'build')!r}\n")
    done = run(*NAMED, metric=f"{python} bench.py", scope=LIB)
    assert done.code == 4, done.told
    assert str(blamed) in done.err
    assert str(library.path) in done.err
    assert "do: " in done.err
    assert done.column("status") == []


def test_another_copy_of_the_repository_is_refused(
    library: Repo, run: Run, elsewhere: Path, tmp_path: Path
) -> None:
    other = tmp_path / "worktree"
    library.git("worktree", "add", "--quiet", "--detach", str(other))
    python = make_environment(elsewhere, other, "setuptools")
    done = run(*NAMED, metric=f"{python} bench.py", scope=LIB)
    assert done.code == 4, done.told
    assert f"{other}, another copy of this repository" in done.err


def test_another_projects_editable_install_is_nobodys_business(
    library: Repo, run: Run, elsewhere: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    (other / "src" / "lib1").mkdir(parents=True)
    (other / "src" / "lib1" / "__init__.py").write_text("ONE = 1\n")
    python = make_environment(elsewhere, other, "setuptools")
    metric = f"{python} -c 'import lib1' && PYTHONPATH=src {python} bench.py"
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_variable_that_names_the_checkout_names_the_tree(library: Repo, run: Run) -> None:
    search = f"env={{PYTHONPATH: '{library.path}/src:/nowhere'}}"
    done = run(*NAMED, "--set", search, metric=f"{PYTHON} bench.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("where", ["command", "script", "folder"])
def test_an_absolute_path_into_the_checkout_is_refused(library: Repo, run: Run, where: str) -> None:
    metric = f"{PYTHON} {library.path}/bench.py"
    if where == "folder":
        metric = f"cd {library.path} && {PYTHON} bench.py"
    if where == "script":
        text = f"import sys\nsys.path.insert(0, '{library.path}/src')\nimport lib0\n"
        library.write("bench.py", f"{text}print('value:', lib0.VALUE)\n")
        library.commit("absolute")
        metric = f"{PYTHON} bench.py"
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.code == 4, done.told
    assert "of your checkout" in done.err


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("go.work", "go 1.22\nuse {}/src\n"),
        ("go.mod", "module m\nreplace lib0 => {}/src\n"),
        ("sub/Cargo.toml", '[patch.crates-io]\nlib0 = {{ path = "{}/src" }}\n'),
        (".cargo/config.toml", 'paths = ["{}/src"]\n'),
        ("package.json", '{{"dependencies": {{"lib0": "file:{}/src"}}}}\n'),
    ],
)
def test_a_build_file_that_names_the_checkout_is_refused(
    library: Repo, run: Run, path: str, text: str
) -> None:
    library.write(path, text.format(library.path))
    library.commit("absolute")
    done = run(metric="echo 1", scope=LIB)
    assert done.code == 4, done.told
    assert path in done.err
    assert "relative" in done.err


@pytest.mark.parametrize("how", ["enters", "names", "link"])
def test_a_program_on_path_that_was_made_for_the_checkout_is_refused(
    library: Repo, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    library.write("tools/bench", f"#!/bin/sh\nPYTHONPATH=src exec {PYTHON} bench.py\n")
    (library.path / "tools/bench").chmod(0o755)
    library.commit("a program")
    program = tmp_path / "bin" / "mybench"
    program.parent.mkdir()
    if how == "link":
        program.symlink_to(library.path / "tools/bench")
    else:
        inside = {
            "enters": f"cd {library.path} && exec tools/bench",
            "names": f'PYTHONPATH="{library.path}/src" exec {PYTHON} bench.py',
        }
        program.write_text(f"#!/bin/sh\n{inside[how]}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    done = run(*NAMED, metric="mybench", scope=LIB)
    assert done.code == 4, done.told
    assert f"'mybench' is {program}, which uses {library.path}" in done.err


@pytest.mark.parametrize("how", ["debug", "cargo"])
def test_a_program_on_path_that_was_built_from_the_checkout_is_refused(
    library: Repo, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    library.write("src/score.c", '#include <stdio.h>\nint main(void){puts("value: 10");}\n')
    library.commit("a program")
    program = tmp_path / "root" / "bin" / "score"
    program.parent.mkdir(parents=True)
    source = library.path / "src/score.c"
    debugged = "-g" if how == "debug" else "-g0"
    subprocess.run(["gcc", debugged, source, "-o", program], check=True)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    if how == "cargo":
        assert run(*NAMED, metric="score", scope=LIB, tag="before").code == 0
        noted = f'[v1]\n"score 0.1.0 (path+file://{library.path})" = ["score"]\n'
        (program.parent.parent / ".crates.toml").write_text(noted)
    done = run(*NAMED, metric="score", scope=LIB)
    assert done.code == 4, done.told
    assert f"'score' is {program}, which was built from your checkout" in done.err


def test_a_committed_link_into_the_checkout_is_refused(library: Repo, run: Run) -> None:
    library.write("code/lib0.py", "VALUE = 10\n")
    (library.path / "lib0.py").symlink_to(library.path / "code/lib0.py")
    (library.path / "notes").symlink_to(library.path / "elsewhere")  # nothing of the commit
    library.commit("a link")
    done = run(*NAMED, metric=f"{PYTHON} bench.py", scope="code/lib0.py")
    assert done.code == 4, done.told
    assert f"lib0.py is a link to {library.path}/code/lib0.py of your checkout" in done.err
    assert "ln -sfn code/lib0.py lib0.py" in done.err


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("pytest.ini", True),
        ("conf/paths.toml", True),
        (".env.test", True),
        ("vitest.config.ts", True),
        ("README.md", False),
        ("compose.yml", False),
        (".vscode/settings.json", False),
    ],
)
def test_a_setting_that_leads_into_the_checkout_is_refused(
    library: Repo, run: Run, path: str, refused: bool
) -> None:
    library.write(path, f"code = {library.path}/src\nother = {library.path}/elsewhere\n")
    library.commit("a setting")
    done = run(metric="echo 1", scope=LIB)
    assert done.code == (4 if refused else 0), done.told
    assert (f"{path} names {library.path}/src of your checkout" in done.err) == refused


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("build/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL={}\n"),
        ("build/Makefile", "abs_top_srcdir = {}\n"),
        ("build/release/x64/build.ninja", "build a.o: CC {}/src/lib0/__init__.py\n"),
    ],
)
def test_a_shared_folder_that_a_build_was_configured_in_is_refused(
    library: Repo, run: Run, path: str, text: str
) -> None:
    library.write(".gitignore", "build/\n")
    library.commit("ignored")
    library.write("build/README", f"made for {library.path}\n")
    shared = ("--set", "share=[build]")
    assert run(*shared, metric="echo 1", scope=LIB).code == 0
    library.write(path, text.format(library.path))
    done = run(*shared, metric="echo 1", scope=LIB, tag="again")
    assert done.code == 4, done.told
    assert f"{path} names {library.path}" in done.err


def test_a_go_workspace_that_is_not_committed_is_refused(library: Repo, run: Run) -> None:
    library.write(".gitignore", "go.work\n")
    library.commit("ignored")
    library.write("go.work", "go 1.22\nuse ./src\n")
    done = run(metric="echo 1", scope=LIB)
    assert done.code == 4, done.told
    assert "share: [go.work]" in done.err


def test_what_was_checked_is_said_in_one_line(library: Repo, run: Run) -> None:
    done = run(*NAMED, metric="sed s/VALUE.=/value:/ src/lib0/__init__.py", scope=LIB)
    told = [line for line in done.told.splitlines() if line.startswith("checked: ")]
    assert len(told) == 1, done.told


@pytest.mark.parametrize("where", ["tree", "elsewhere"])
def test_a_copy_that_was_installed_from_the_repository_is_the_candidates(
    library: Repo, run: Run, script: Script, elsewhere: Path, where: str
) -> None:
    """With what is only in the copy, such as a version that a build tool wrote."""
    library.write(LIB, "from lib0._version import VERSION\nVALUE = 10\n")
    library.commit("needs a file that is generated")
    script({"description": "nine", "files": {LIB: "import lib0._version\nVALUE = 9\n"}})
    folder = library.path / ".venv" if where == "tree" else elsewhere
    python = make_copy(folder, library.path, url=f"file://{library.path}", extra="_version.py")
    metric = ".venv/bin/python bench.py" if where == "tree" else f"{python} bench.py"
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_release_of_the_repository_that_was_installed_is_the_candidates(
    library: Repo, run: Run, elsewhere: Path
) -> None:
    library.write("pyproject.toml", "[project]\nname = 'Lib0'\nversion = '0.2'\n")
    library.commit("named")
    python = make_copy(elsewhere, library.path, url="")
    done = run(*NAMED, metric=f"{python} bench.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_module_that_a_candidate_deletes_is_not_found_in_an_installed_copy(
    library: Repo, run: Run, script: Script, elsewhere: Path
) -> None:
    python = make_copy(elsewhere, library.path, url=f"file://{library.path}")
    script({"description": "gone", "files": {LIB: None, "src/lib1.py": "VALUE = 9\n"}})
    done = run(*NAMED, metric=f"{python} bench.py", scope="src/**")
    assert done.column("status") == ["baseline", "crash"], done.told


@pytest.mark.skipif(not landlock.abi(), reason="nothing can be hidden here")
def test_an_isolated_python_finds_no_installed_copy(
    library: Repo, run: Run, elsewhere: Path
) -> None:
    python = make_copy(elsewhere, library.path, url=f"file://{library.path}")
    confined = {"sandbox-write": None}
    done = run(*NAMED, metric=f"{python} -I bench.py", scope=LIB, **confined)
    assert done.code == 4, done.told


@pytest.mark.parametrize(
    ("builds", "others", "code"),
    [("", (), 4), ("make -s; ", (), 0), ("", ("--guard", "make", "--set", "setup=[make]"), 4)],
)
def test_what_was_compiled_before_the_run_is_no_candidate(
    library: Repo, run: Run, elsewhere: Path, builds: str, others: tuple[str, ...], code: int
) -> None:
    library.write("src/lib0/fast.pyx", "x = 1\n")
    library.write("Makefile", "all:\n")
    library.commit("compiled")
    python = make_copy(elsewhere, library.path, url=f"file://{library.path}", extra="fast.abi3.so")
    metric = f"{builds}{python} bench.py"
    done = run(*NAMED, "--iterations", "0", *others, metric=metric, scope="src/**")
    assert done.code == code, done.told
    assert ("fast.abi3.so, which was compiled before the run" in done.told) == (code == 4)


@pytest.mark.parametrize(
    ("again", "others"),
    [("", ()), ("make -s bench && ", ()), ("", ("--guard", "make"))],
    ids=["nobody", "the metric", "a guard, in a tree of its own"],
)
def test_what_setup_built_is_no_candidate(
    repo: Repo, run: Run, script: Script, again: str, others: tuple[str, ...]
) -> None:
    text = '#include <stdio.h>\nint main(void) {{ printf("value: {}\\n"); return 0; }}\n'
    repo.write("src/bench.c", text.format(10))
    repo.write("Makefile", "bench: src/bench.c\n\tgcc -o bench src/bench.c\n")
    repo.commit("a program")
    script({"description": "nine", "files": {"src/bench.c": text.format(9)}})
    done = run(*NAMED, "--setup", "make", *others, metric=f"{again}./bench", scope="src/**")
    if again:
        assert done.column("metric") == ["10", "9"], done.told
    else:
        assert done.code == 4, done.told
        assert "a change of src/bench.c would not be measured" in done.err


@pytest.mark.parametrize(
    ("metric", "code"),
    [("python bench.py", 4), ("sh bench.sh", 0), ("make -s && python bench.py", 0)],
    ids=["nobody", "the metric's script", "the metric"],
)
def test_a_library_that_setup_built_beside_its_source_is_no_candidate(
    repo: Repo, run: Run, metric: str, code: int
) -> None:
    repo.write("src/fast.c", "int x;\n")
    repo.write("Makefile", "all:\n\techo > src/fast.so\n")
    repo.write("bench.py", "print('value: 1')\n")
    repo.write("bench.sh", "make -s && python bench.py\n")
    repo.commit("an extension")
    done = run(*NAMED, "--setup", "make", "--iterations", "0", metric=metric, scope="src/**")
    assert done.code == code, done.told
    told = "would use src/fast.so, which was compiled before the run: a change of src/fast.c would"
    assert (told in done.err) == bool(code), done.told


@pytest.mark.parametrize("fails", ["always", "once", "silently"])
def test_a_python_that_does_not_say_where_it_looks_is_named_as_not_checked(
    library: Repo, run: Run, elsewhere: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version manager's, which chooses another one by the folder."""
    python = elsewhere / "bin" / "python"
    python.parent.mkdir(parents=True)
    first = 'mkdir "$TMPDIR/asked" 2> /dev/null && { echo no version set >&2; exit 1; }'
    how = {"always": "echo no version set >&2; exit 1", "once": first, "silently": "exit 0"}
    python.write_text(f'#!/bin/sh\n{how[fails]}\nexec {PYTHON} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    done = run(*NAMED, metric="sed s/VALUE.=/value:/ src/lib0/__init__.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told
    told = [line for line in done.told.splitlines() if "checked: " in line]
    assert len(told) == 1, done.told
    assert (f"not checked: {python} (" in told[0]) == (fails != "once"), done.told
    assert ("no version set" in told[0]) == (fails == "always"), done.told


def test_a_redirection_that_cannot_be_proved_is_refused(
    library: Repo, run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(elsewhere, library.path, "poetry")
    python.unlink()
    python.symlink_to(shutil.which("false") or "")
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    done = run(*NAMED, metric="sed s/VALUE.=/value:/ src/lib0/__init__.py", scope=LIB)
    assert done.code == 4, done.told
    assert f"{python} has this repository installed in place, and cannot say" in done.err
    assert "exit code 1" in done.err


def test_an_environment_that_is_shared_is_as_good_as_activated(
    library: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_environment(library.path / ".venv", library.path, "setuptools finder")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    done = run(*NAMED, metric="python bench.py", scope=LIB, **UNSEEN)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_an_environment_that_is_committed_is_not(
    library: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(library.path / ".venv", library.path, "poetry")
    python.unlink()
    for name in ("python", "python3"):
        library.write(f".venv/bin/{name}", "#!/bin/sh\necho value: 1\n")
        (python.parent / name).chmod(0o755)
    library.git("add", "--force", ".venv")
    library.commit("an environment")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    done = run(*NAMED, metric="PYTHONPATH=src python3 bench.py", scope=LIB, **UNSEEN)
    assert done.column("metric") == ["10", "9"], done.told


def test_setup_may_make_a_shared_environment_anew(
    library: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And install the repository into it, as it would in an empty checkout; it is found before one
    that is active."""
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    make_environment(library.path / ".venv", library.path, "setuptools finder")
    before = library.photograph()
    setup = (
        f"{PYTHON} -m venv --without-pip .venv && "
        "echo $PWD/src > $(echo .venv/lib/python3*/site-packages)/anew.pth"
    )
    done = run(*NAMED, "--setup", setup, metric="python bench.py", scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told
    assert library.photograph() == before


POM = (
    "<project><groupId>demo</groupId><artifactId>lib</artifactId><version>1-SNAPSHOT</version>"
    "</project>"
)


@pytest.mark.parametrize("again", ["", "test mvn = install || "])
def test_a_build_of_a_maven_module_that_setup_installed_is_not_what_is_measured(
    library: Repo, run: Run, again: str
) -> None:
    """Unless the command installs it anew: then it is the candidate's."""
    library.write("pom.xml", POM)
    library.commit("for Maven")
    build = "$HOME/.m2/repository/demo/lib/1-SNAPSHOT"
    setup = f"mkdir -p {build} && echo value: 12 > {build}/lib.jar"
    metric = f"{again}cat {build}/lib.jar 2>/dev/null || PYTHONPATH=src {PYTHON} bench.py"
    done = run(*NAMED, "--setup", setup, metric=metric, scope=LIB)
    if again:
        assert done.column("metric") == ["12", "12"], done.told
    else:
        assert done.column("metric") == ["10", "9"], done.told
        assert "(hidden, as the tree is built from: " in done.out
