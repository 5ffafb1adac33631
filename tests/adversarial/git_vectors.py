"""Ways to plant code, or another truth, in what git reads: data for test_git_vectors.py.

A vector's program is the word RUN; when it is run, it leaves a file called like the vector. Files
below `git` go into a git directory, those below `tree` beside it, those below `home` into HOME.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One way in."""

    name: str
    config: str = ""
    """Lines for `.git/config`."""
    git: Mapping[str, str] = field(default_factory=dict)
    tree: Mapping[str, str] = field(default_factory=dict)
    home: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of our own process; FOLDER is one that holds nothing but the vector's files."""
    shell: str = ""
    """Run in the tree with $G, its git directory."""
    stops: bool = False
    """The repository may become unusable, which may end a run with a clear sentence."""
    clash: int = 0
    """Vectors with different numbers would hide each other."""


def _hook(name: str) -> Vector:
    return Vector(name=f"hook {name}", git={f"hooks/{name}": "#!/bin/sh\nexec RUN\n"})


def _config(
    name: str,
    text: str,
    clash: int = 0,
    stops: bool = False,
    git: Mapping[str, str] = MappingProxyType({}),
) -> Vector:
    return Vector(name=name, config=text, clash=clash, stops=stops, git=git)


def _attributes(name: str, file: str, driver: str) -> dict[str, str]:
    return {file: f"{name} filter={driver} diff={driver} merge={driver}\n"}


_FSMONITOR = "[core]\n\tfsmonitor = RUN\n"
ALL_HOOKS = {
    f"planted/{name}": "#!/bin/sh\nexec RUN\n"
    for name in ("reference-transaction", "post-index-change", "post-checkout", "pre-commit")
}

HOOKS = [
    _hook(name)
    for name in (
        *("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout"),
        *("reference-transaction", "post-index-change", "pre-push", "post-rewrite", "pre-auto-gc"),
    )
]

CONFIG = [
    _config("core.fsmonitor", _FSMONITOR),
    _config(
        "fsmonitor-watchman",
        "[core]\n\tfsmonitor = .git/hooks/fsmonitor-watchman\n",
        1,
        git={"hooks/fsmonitor-watchman": "#!/bin/sh\nexec RUN\n"},
    ),
    _config("core.hooksPath", "[core]\n\thooksPath = .git/planted\n", 1, git=ALL_HOOKS),
    _config("hook.command", '[hook "x.y"]\n\tevent = reference-transaction\n\tcommand = RUN\n'),
    _config("filter.clean", '[filter "a"]\n\tclean = RUN\n', git=_attributes("f1", "i1", "a")),
    _config("filter.smudge", '[filter "b"]\n\tsmudge = RUN\n\trequired = true\n'),
    _config("filter.process", '[filter "c"]\n\tprocess = RUN\n'),
    _config("filter with odd name", '[filter "d.e=f"]\n\tclean = RUN\n'),
    _config(
        "core.attributesFile",
        '[core]\n\tattributesFile = .git/more\n[filter "g"]\n\tclean = RUN\n\tsmudge = RUN\n',
        git=_attributes("f5", "more", "g"),
    ),
    _config("diff.textconv", '[diff "a"]\n\ttextconv = RUN\n'),
    _config("diff.command", '[diff "b"]\n\tcommand = RUN\n'),
    _config("diff.external", "[diff]\n\texternal = RUN\n"),
    _config("merge.driver", '[merge "a"]\n\tdriver = RUN\n'),
    _config("merge.default", '[merge]\n\tdefault = x\n[merge "x"]\n\tdriver = RUN\n'),
    _config(
        "aliases",
        "[alias]\n"
        + "".join(
            f"\t{name} = !RUN\n"
            for name in ("st", "update-ref", "cat-file", "read-tree", "fast-import", "rev-parse")
        ),
    ),
    _config("core.pager", "[core]\n\tpager = RUN\n[pager]\n\tshow = RUN\n\tstatus = RUN\n"),
    _config("core.editor", "[core]\n\teditor = RUN\n[sequence]\n\teditor = RUN\n"),
    _config("core.sshCommand", "[core]\n\tsshCommand = RUN\n"),
    _config("core.askPass", "[core]\n\taskPass = RUN\n"),
    _config("core.gitProxy", "[core]\n\tgitProxy = RUN\n"),
    _config("core.alternateRefsCommand", "[core]\n\talternateRefsCommand = RUN\n"),
    _config("credential.helper", "[credential]\n\thelper = !RUN\n"),
    _config(
        "gpg.program",
        "[gpg]\n\tprogram = RUN\n[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n"
        "[log]\n\tshowSignature = true\n",
    ),
    _config("include.path", "[include]\n\tpath = more-config\n", git={"more-config": _FSMONITOR}),
    _config(
        "includeIf.gitdir",
        '[includeIf "gitdir:/**"]\n\tpath = if-config\n',
        git={"if-config": '[diff]\n\texternal = RUN\n[filter "h"]\n\tclean = RUN\n'},
    ),
    _config(
        "config.worktree",
        "[extensions]\n\tworktreeConfig = true\n",
        git={"config.worktree": "[core]\n\tfsmonitor = RUN\n\thooksPath = .git/hooks\n"},
    ),
    _config("url.insteadOf", '[url "ext::RUN "]\n\tinsteadOf = /\n\tpushInsteadOf = /\n', 2),
    _config("protocol.ext.allow", '[protocol "ext"]\n\tallow = always\n', 2),
    _config("http.proxy", "[http]\n\tproxy = http://127.0.0.1:9\n\tsslCert = RUN\n"),
    _config(
        "remote.uploadpack",
        '[remote "origin"]\n\turl = .\n\tuploadpack = RUN\n\treceivepack = RUN\n\tpromisor = true\n'
        '\tpartialCloneFilter = blob:none\n[protocol "file"]\n\tallow = always\n',
    ),
    _config("submodule.update", '[submodule "nested"]\n\tactive = true\n\tupdate = !RUN\n'),
    _config("interactive.diffFilter", "[interactive]\n\tdiffFilter = RUN\n"),
    _config("core.worktree", "[core]\n\tworktree = ../../elsewhere\n", 3, True),
]

_GLOBAL = _FSMONITOR + "[core]\n\thooksPath = HOOKS\n[init]\n\ttemplateDir = TEMPLATE\n"
HOME = [
    Vector(name="~/.gitconfig", home={".gitconfig": _GLOBAL + '[filter "i"]\n\tclean = RUN\n'}),
    Vector(
        name="XDG config",
        home={
            ".config/git/config": '[filter "j"]\n\tclean = RUN\n\tsmudge = RUN\n',
            ".config/git/attributes": "f6 filter=j\n",
        },
    ),
    Vector(
        name="system config",
        home={"system": _FSMONITOR + '[filter "k"]\n\tclean = RUN\n'},
        environment={"GIT_CONFIG_SYSTEM": "FOLDER/system"},
    ),
]
ENVIRONMENT = [
    Vector(name=f"${name}", environment={name: "RUN"})
    for name in (
        *("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "GIT_PAGER"),
        *("GIT_EDITOR", "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR"),
    )
] + [
    Vector(
        name="$GIT_CONFIG_PARAMETERS",
        environment={"GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='RUN'"},
    ),
    Vector(
        name="$GIT_CONFIG_COUNT",
        environment={
            "GIT_CONFIG_COUNT": "40",
            **{f"GIT_CONFIG_KEY_{n}": "core.fsmonitor" for n in range(40)},
            **{f"GIT_CONFIG_VALUE_{n}": "RUN" for n in range(40)},
        },
    ),
    Vector(
        name="$GIT_TEMPLATE_DIR",
        home={"t/hooks/reference-transaction": "#!/bin/sh\nexec RUN\n", "t/config": _FSMONITOR},
        environment={"GIT_TEMPLATE_DIR": "FOLDER/t"},
    ),
    Vector(
        name="$GIT_EXEC_PATH",
        home={
            f"x/git-{n}": "#!/bin/sh\nexec RUN\n" for n in ("status", "remote-https", "sh-setup")
        },
        environment={"GIT_EXEC_PATH": "FOLDER/x"},
    ),
    Vector(name="$GIT_TRACE", environment={"GIT_TRACE": "MARK", "GIT_TRACE2_EVENT": "MARK"}),
    Vector(name="$GIT_INDEX_FILE", environment={"GIT_INDEX_FILE": "MARK"}),
    Vector(name="$GIT_DIR", environment={"GIT_DIR": "FOLDER", "GIT_COMMON_DIR": "FOLDER"}),
    Vector(name="$GIT_WORK_TREE", environment={"GIT_WORK_TREE": "FOLDER"}),
    Vector(name="$GIT_OBJECT_DIRECTORY", environment={"GIT_OBJECT_DIRECTORY": "FOLDER"}),
    Vector(name="$GIT_NAMESPACE", environment={"GIT_NAMESPACE": "other"}),
    Vector(name="$GIT_REPLACE_REF_BASE", environment={"GIT_REPLACE_REF_BASE": "refs/other/"}),
]

CHEAT = "echo cheat > other; echo cheat > conftest.py; echo cheat > sitecustomize.py"
STRUCTURE = [
    Vector(
        name="refs/replace",
        shell='b=$(git --git-dir="$G" rev-parse HEAD:value);'
        'c=$(echo 1 | git --git-dir="$G" hash-object -w --stdin);'
        'mkdir -p "$G/refs/replace"; echo $c > "$G/refs/replace/$b"',
    ),
    Vector(name="info/grafts", git={"info/grafts": f"{'1' * 40}\n{'2' * 40} {'3' * 40}\n"}),
    Vector(name="alternates", git={"objects/info/alternates": "/nonexistent\n../../elsewhere\n"}),
    Vector(
        name="nested repository",
        shell=(
            'mkdir -p nested; git init -q nested; cp -R "$G/hooks" nested/.git/ 2>/dev/null;'
            "printf '[core]\\n\\tfsmonitor = RUN\\n' >> nested/.git/config; echo x > nested/file"
        ),
    ),
    Vector(
        name=".gitmodules ext::",
        tree={
            ".gitmodules": '[submodule "nested"]\n\tpath = nested\n\turl = "ext::RUN"\n'
            "\tupdate = !RUN\n"
        },
        git={"modules/nested/hooks/post-checkout": "#!/bin/sh\nexec RUN\n"},
    ),
    Vector(
        name="skip-worktree, assume-unchanged",
        shell='git --git-dir="$G" --work-tree=. update-index --skip-worktree other;'
        'git --git-dir="$G" --work-tree=. update-index --assume-unchanged f1; CHEAT',
    ),
    Vector(
        name="ignored",
        git={"info/exclude": "conftest.py\nsitecustomize.py\n*.py\n"},
        tree={".gitignore": "*.py\nother\n"},
        shell="CHEAT",
    ),
    Vector(
        name="sparse-checkout",
        config="[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = false\n",
        git={"info/sparse-checkout": "/other\n"},
    ),
    Vector(name="shallow", shell='git --git-dir="$G" rev-parse HEAD > "$G/shallow"'),
    Vector(
        name="packed-refs",
        shell='printf "%s refs/heads/planted\\n" $(git --git-dir="$G" rev-parse HEAD)'
        ' >> "$G/packed-refs"',
    ),
    Vector(name="commondir", git={"commondir": "other-git\n"}, stops=True, clash=4),
    Vector(
        name="HEAD is a link",
        shell='cp "$G/HEAD" "$G/HEAD.planted"; ln -sfn HEAD.planted "$G/HEAD"',
        stops=True,
        clash=5,
    ),
    Vector(
        name=".git is a gitdir file",
        shell='mv "$G" "$G.moved"; echo "gitdir: $G.moved" > "$G"',
        stops=True,
        clash=6,
    ),
    Vector(
        name="branch is a symbolic ref",
        shell='mkdir -p "$G/refs/heads/autoresearch"; test -e "$G/refs/heads/autoresearch/t" ||'
        ' echo "ref: refs/heads/main" > "$G/refs/heads/autoresearch/t"',
        stops=True,
        clash=7,
    ),
    Vector(
        name="branch folder is a link",
        shell='test -e "$G/refs/heads/autoresearch" ||'
        ' ln -sfn ../../elsewhere "$G/refs/heads/autoresearch"',
        stops=True,
        clash=8,
    ),
]

ATTRIBUTES = (
    "value filter=a diff=a merge=a\nother filter=b diff=b merge=x\nf2 filter=c\nf3 filter=d.e=f\n"
    "f4 filter=h\nf6 filter=i\n"
)
INFO_ATTRIBUTES = "f1 filter=a\nf2 filter=c\n"

_COMMIT = "git commit -q --allow-empty -m x"
ALIVE = {
    **{f"hook {name}": _COMMIT for name in ("pre-commit", "prepare-commit-msg", "commit-msg")},
    "hook post-commit": _COMMIT,
    "hook post-checkout": "git checkout -q -b b",
    "hook reference-transaction": "git update-ref refs/heads/b HEAD",
    "hook post-index-change": "git read-tree HEAD",
    "hook pre-push": "git push -q . HEAD:refs/heads/b",
    "hook post-rewrite": f"{_COMMIT}; git commit -q --amend --allow-empty -m y",
    "core.fsmonitor": "git status",
    "fsmonitor-watchman": "git status",
    "core.hooksPath": _COMMIT,
    "filter.clean": "git status",
    "filter.smudge": "rm other; git checkout -- other",
    "filter.process": "git status",
    "filter with odd name": "git status",
    "core.attributesFile": "git status",
    "diff.textconv": "echo x >> value; git diff",
    "diff.command": "echo x >> other; git diff",
    "diff.external": "echo x >> f4; git diff",
    "aliases": "git st",
    "core.pager": "script -qc 'git log' /dev/null || git -p log",
    "core.editor": "git commit --allow-empty",
    "core.sshCommand": "git ls-remote ssh://127.0.0.1/x",
    "gpg.program": _COMMIT,
    "include.path": "git status",
    "includeIf.gitdir": "echo x >> f5; git diff",
    "config.worktree": "git status",
    "remote.uploadpack": "git fetch origin",
}
"""What makes plain git run a vector, so that a test in which it stays silent proves something."""
