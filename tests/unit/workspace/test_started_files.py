"""What judges a repair is found through the tasks that start it; what is judged is left alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from autoresearch_ci.workspace.started_files import started_files

PACKAGE = '{"scripts": {"pretest": "sh ci/setup.sh", "test": "%s", "unit": "node checks/unit"}}'
CASES: Mapping[str, tuple[Mapping[str, str], str, list[str]]] = {
    "a rule": ({"Makefile": "check:\n\t@./run.sh\n", "run.sh": ""}, "make check", ["run.sh"]),
    "a rule that is needed": (
        {"Makefile": "check: lint\nlint:\n\tsh a.sh && sh b.sh\n", "a.sh": "", "b.sh": ""},
        "make check",
        ["a.sh", "b.sh"],
    ),
    "another rule is not asked": (
        {"Makefile": "check:\n\tsh a.sh\nrelease:\n\tsh b.sh\n", "a.sh": "", "b.sh": ""},
        "make check",
        ["a.sh"],
    ),
    "the first rule": (
        {"Makefile": "all:\n\tsh a.sh\nx:\n\tsh b.sh\n", "a.sh": "", "b.sh": ""},
        "make",
        ["a.sh"],
    ),
    "variables": (
        {
            "Makefile": "D := ci\nRUN = $(D)/run\ncheck:\n\t$(SHELL) $(srcdir)/$(RUN).sh\n",
            "ci/run.sh": "",
        },
        "make check",
        ["ci/run.sh"],
    ),
    "automatic variables": (
        {"Makefile": "check: run.sh\n\tsh ./$<\n", "run.sh": ""},
        "make check",
        ["run.sh"],
    ),
    "a Makefile below": (
        {
            "Makefile": "check:\n\t$(MAKE) -C sub test\n",
            "sub/Makefile": "test:\n\tsh a.sh\n",
            "sub/a.sh": "",
        },
        "make check",
        ["sub/a.sh"],
    ),
    "a file that is included": (
        {"Makefile": "include ci/check.mk\n", "ci/check.mk": "check:\n\tsh a.sh\n", "a.sh": ""},
        "make check",
        ["a.sh"],
    ),
    "automake's tests": (
        {"Makefile.am": "TESTS = one.sh two.sh\n", "one.sh": "", "two.sh": ""},
        "make check",
        ["one.sh", "two.sh"],
    ),
    "a loop": (
        {
            "Makefile": "check:\n\tfor t in ci/*.sh src/*.c; do sh $$t; done\n",
            "ci/a.sh": "",
            "src/a.c": "",
        },
        "make check",
        ["ci/a.sh"],
    ),
    "scripts of scripts": (
        {
            "check.sh": '#!/bin/sh\nHERE="$(dirname "$0")"\n. "$HERE/ci/lib.sh"\n'
            '"$(dirname "$0")/ci/one"\n',
            "ci/lib.sh": "",
            "ci/one": "#!/bin/bash\nbash -ec 'python3 ci/two.py'\n",
            "ci/two.py": "import three, os\n",
            "ci/three.py": "",
        },
        "sh check.sh",
        ["check.sh", "ci/lib.sh", "ci/one", "ci/two.py", "ci/three.py"],
    ),
    "a package's test": (
        {"package.json": PACKAGE % "node run.js", "run.js": "", "ci/setup.sh": ""},
        "npm test --silent",
        ["run.js", "ci/setup.sh"],
    ),
    "scripts in turn": (
        {"package.json": PACKAGE % "npm run -s unit", "checks/unit.js": "", "ci/setup.sh": ""},
        "npm test",
        ["ci/setup.sh", "checks/unit.js"],
    ),
    "scripts side by side": (
        {"package.json": PACKAGE % "npm-run-all --parallel uni*", "checks/unit.js": ""},
        "yarn test",
        ["checks/unit.js"],
    ),
    "what a runner is given": (
        {"package.json": PACKAGE % "nyc mocha -r ./a.js 'q/**/*.js'", "a.js": "", "q/b/c.js": ""},
        "npm test",
        ["a.js", "q/b/c.js"],
    ),
    "a package below": (
        {"web/package.json": PACKAGE % "env A=1 node ./run", "web/run.js": ""},
        "npm --prefix web test",
        ["web/run.js"],
    ),
    "tox": (
        {"tox.ini": "[testenv]\ncommands =\n  pytest\n  sh ci/a.sh\n", "ci/a.sh": ""},
        "tox -e py",
        ["ci/a.sh"],
    ),
    "nox": (
        {"noxfile.py": 'def t(session):\n    session.run("python", "ci/a.py")\n', "ci/a.py": ""},
        "nox",
        ["ci/a.py"],
    ),
    "just": (
        {"justfile": "test: unit\nunit:\n    ./ci/a.sh\n", "ci/a.sh": ""},
        "just test",
        ["ci/a.sh"],
    ),
    "ctest": (
        {
            "CMakeLists.txt": "add_test(NAME a COMMAND ${CMAKE_SOURCE_DIR}/ci/a.sh $<FILE>)\n",
            "ci/a.sh": "",
        },
        "cmake -S . && ctest --test-dir build",
        ["ci/a.sh"],
    ),
    "what is compiled": (
        {"Makefile": "check: a.c\n\tcc -o a a.c\n\tnode tsc.js\n", "a.c": "", "tsc.js": ""},
        "make check",
        ["tsc.js"],
    ),
    "what is compared": (
        {
            "Makefile": "check:\n\tpython app.py < in | diff - out\n\tnode b.js > x; diff x out\n"
            '\ttest "$$(node c.js)" = 5\n\ttest $$(node d.js) = 5\n',
            **dict.fromkeys(("app.py", "b.js", "c.js", "d.js", "out", "in"), ""),
        },
        "make check",
        ["in", "out"],
    ),
    "cases beside a script": (
        {
            "ci/run.sh": 'while read a; do ./x $a; done < "$(dirname "$0")/cases"\n',
            "ci/cases": "",
            "ci/other": "",
        },
        "ci/run.sh",
        ["ci/run.sh", "ci/cases"],
    ),
    "what is compared may be code": (
        {
            "Makefile": "check:\n\tdiff a.c b.c && cmp good.txt made\n",
            "a.c": "",
            "good.txt": "",
        },
        "make check",
        ["good.txt"],
    ),
    "what a script imports from elsewhere": (
        {"test/run.js": "const a = require('../src/a')\nrequire('./b')\n", "src/a.js": ""}
        | {"test/b.js": ""},
        "node test/run.js",
        ["test/run.js", "test/b.js"],
    ),
    "another folder": ({"web/a.sh": ""}, "cd web && timeout 9 ./a.sh", ["web/a.sh"]),
    "modules": ({"ci/check.py": ""}, "python -m ci.check && python -m pytest", ["ci/check.py"]),
    "a ring": ({"Makefile": "check: check\n\tmake check\n"}, "make check", []),
    "below a comment": ({"a": "#!/bin/sh\n# b \\\nsh c.sh\n", "c.sh": ""}, "sh a", ["a", "c.sh"]),
    "an open quote": ({"a.sh": ""}, "sh a.sh 'x", ["a.sh"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_command_starts_in_turn_is_found(name: str) -> None:
    files, command, expected = CASES[name]
    found = started_files([command], files, lambda path: files[path].encode())
    assert sorted(found) == sorted(expected)
