"""What plays against the ruler is found by its meaning; honest changes are left alone."""

from __future__ import annotations

import ast
import random
import sysconfig
from pathlib import Path

import pytest

from autoresearch_ci.decide.gaming.detect import plays, sentence
from autoresearch_ci.decide.gaming.ruler import Ruler

RULER = Ruler(
    names=("cost", "val_bpb"),
    patterns=(r"^p95=([0-9.]+)",),
    files=("tools/bench.py", "report.xml"),
)
TRAINER = (Path(__file__).parents[3] / "trainer" / "train.py").read_text(encoding="utf-8")
LIBRARY = Path(sysconfig.get_path("stdlib"))


def found(code: str, before: str | None = "", path: str = "work.py") -> list[str]:
    old = None if before is None else before.encode()
    return plays({path: old}, {path: code.encode()}, RULER)


EQUAL = ["work.py:1 compares equal to everything (__eq__)"]
CHEATS = {
    "import time\ntime.perf_counter = f\n": "patches time.perf_counter",
    "import time as t\nt.time = f\n": "patches time.time",
    "import time\ntime.time, x = f, 1\n": "patches time.time",
    "import time\nvars(time)['time'] = f\n": "patches time.time",
    "import time\ntime.__dict__['time'] = f\n": "patches time.time",
    "import time\nsetattr(time, 'time', f)\n": "patches time.time",
    "__import__('time').time = f\n": "patches time.time",
    "import sys\nsys.modules['time'] = f\n": "patches sys.modules['time']",
    "import datetime\ndatetime.datetime = F\n": "patches datetime.datetime",
    "import resource\nresource.getrusage = f\n": "patches resource.getrusage",
    "import random\nrandom.random = f\n": "patches random.random",
    "import builtins\nbuiltins.print = f\n": "patches builtins.print",
    "from unittest import mock\n": "meddles with unittest",
    "import pytest\n": "meddles with pytest",
    "from _pytest import runner\n": "meddles with _pytest",
    "import __main__\n": "meddles with __main__",
    "import freezegun\n": "patches the clock (freezegun)",
    "import os\nos._exit(0)\n": "exits with os._exit",
    "from os import _exit\ndef f():\n    _exit(0)\n": "exits with os._exit",
    "import sys\nsys.exit()\n": "exits on import (sys.exit)",
    "raise SystemExit\n": "exits on import (sys.exit)",
    "import os\nos.execvp('true', ['true'])\n": "exits on import (os.execvp)",
    "import sys\nx = 'unittest' in ' '.join(sys.orig_argv)\n": "(sys.orig_argv)",
    "import sys\nx = sys.argv[0].endswith('bench.py')\n": "(sys.argv[0])",
    "from sys import argv\nx = argv[0] == 'bench.py'\n": "(sys.argv[0])",
    "import atexit\natexit.register(print, 1)\n": "has the last word",
    "import atexit\n@atexit.register\ndef f():\n    open('r')\n": "has the last word",
    "class A:\n    def __eq__(self, o):\n        return True\n": "compares equal to everything",
    "class A:\n    __eq__ = lambda *a: True\n": "compares equal to everything",
    "A = type('A', (), {'__eq__': lambda a, b: not 0})\n": "compares equal to everything",
    "class A:\n    def __ne__(self, o):\n        return False\n": "compares equal to everything",
    "def f(A):\n    A.__eq__ = lambda a, b: 1\n": "compares equal to everything",
    "class A:\n"
    "    def __lt__(self, o):\n        return True\n"
    "    def __gt__(self, o):\n        return True\n": "is both smaller and larger",
    "print('cost: 1')\n": "prints the metric's line",
    "print(f'cost: {x}')\n": "prints the metric's line",
    "print('cost:', x)\n": "prints the metric's line",
    "print('METRIC cost=%s' % x)\n": "prints the metric's line",
    "import sys\nsys.stdout.write('a\\ncost: 1')\n": "prints the metric's line",
    "import os\nos.write(1, b'cost: 1')\n": "prints the metric's line",
    "print('p95={}'.format(x))\n": "prints the metric's line",
    "import os\nif os.environ.get('CI'): pass\n": "(the variable CI)",
    "from os import environ as e\nx = e['GITHUB_ACTIONS']\n": "(the variable GITHUB_ACTIONS)",
    "import os\nx = 'PYTEST_CURRENT_TEST' in os.environ\n": "(the variable PYTEST_CURRENT_TEST)",
    "import os\nx = os.getenv('AUTORESEARCH_RUN')\n": "(the variable AUTORESEARCH_RUN)",
    "import sys\nx = 'pytest' in sys.modules\n": "(pytest in sys.modules)",
    "import sys\nx = sys._getframe(1)\n": "looks at its callers",
    "import inspect\nx = inspect.stack()\n": "looks at its callers",
    "def f(frame):\n    return frame.f_back\n": "looks at its callers (f_back)",
    "import os\nos.fork()\n": "leaves a process behind (os.fork)",
    "import subprocess as s\ns.Popen(x, start_new_session=True)\n": "leaves a process behind",
    "import os, subprocess\nsubprocess.Popen(x, preexec_fn=os.setsid)\n": "leaves a process behind",
    "import os\nos.system('nohup ./server &')\n": "leaves a process behind (nohup)",
    "open('/dev/shm/x')\n": "a place that outlives a measurement",
    "from pathlib import Path\nPath('/tmp/cache').mkdir()\n": "a place that outlives a measurement",
    "open('bench.py')\n": "the ruler's own bench.py",
    "open('../x/tools/bench.py')\n": "the ruler's own ../x/tools/bench.py",
    "x = root / 'report.xml'\n": "the ruler's own report.xml",
    "from pathlib import Path\nPath(x, 'sitecustomize.py')\n": "what every Python loads",
    "import site\nx = site.getsitepackages()\n": "what every Python loads",
    "def pytest_runtest_makereport():\n    pass\n": "hooks into what pytest runs and says",
}


@pytest.mark.parametrize("code", CHEATS)
def test_a_cheat_is_found_and_named(code: str) -> None:
    (only,) = found(code)
    assert CHEATS[code] in only
    assert only.startswith("work.py:")


HONEST = (
    "import time\nstart = time.perf_counter()\nself.time = time.time()\n",
    "class A:\n    def __eq__(self, o):\n        return self.x == o.x\n",
    "class A:\n    def __eq__(self, o):\n        return NotImplemented\n",
    "class Largest:\n"
    "    def __lt__(self, o):\n        return False\n"
    "    def __gt__(self, o):\n        return True\n",
    "class A:\n    def __eq__(self, o):\n        if o is None:\n            return False\n"
    "        return True\n",
    "import atexit, shutil\natexit.register(shutil.rmtree, folder)\n",
    "import sys\ndef main():\n    sys.exit(1)\n",
    "import sys\nmain(sys.argv[1:])\nif sys.argv[1] == 'x':\n    usage(sys.argv[0])\n",
    "import os\ndef run(x):\n    os.execvp(x[0], x)\n",
    "import sys\nif __name__ == '__main__':\n    sys.exit(main())\n",
    "print('done')\nprint(f'{x}')\nprint(x, y)\nprint()\n",
    "log.info('the cost: %s', x)\n",
    "import os\nx = os.environ.get('HOME'), os.environ['OMP_NUM_THREADS']\n",
    "import subprocess\nsubprocess.run(['cc', 'x.c'], start_new_session=False)\n",
    "import multiprocessing\nmultiprocessing.Process(target=f, daemon=True).start()\n",
    "import tempfile\nx = tempfile.mkdtemp()\n",
    "import torch\ntorch.save(model, 'model.pth')\ntorch.load('out/checkpoint.pth')\n",
    "import random\nrandom.seed(0)\nrng = random.Random(1)\n",
    "import gc\ngc.disable()\ngc.freeze()\n",
    "import sys\nsys.setrecursionlimit(10**6)\nsys.stdout.flush()\n",
    "import traceback\ntry:\n    f()\nexcept Exception:\n    traceback.print_exc()\n",
    "from functools import lru_cache\n@lru_cache\ndef f(x):\n    return x\n",
    "x = {'cost': 1, 'cost:': 2}\n",
    "doc = '''cost: 1'''\n",
    "'''A module.\n\ncost: what is printed; see tools/bench.py and /tmp/x.'''\n",
    "import re\nre.compile(r'cost: (\\d+)')\n",
    "import inspect\ninspect.signature(f)\n",
)


@pytest.mark.parametrize("code", HONEST)
def test_an_honest_change_is_left_alone(code: str) -> None:
    assert found(code) == []


def test_a_test_may_use_pytest_and_pytest_s_variables() -> None:
    code = "import os, pytest\nfrom unittest import mock\nx = os.environ['PYTEST_CURRENT_TEST']\n"
    assert found(code, path="tests/test_work.py") == []
    assert found(code, path="src/conftest.py") == []
    assert len(found(code, path="src/contest.py")) == 3


def test_what_the_incumbent_does_too_is_no_news() -> None:
    for code in CHEATS:
        assert found(f"import os\n{code}x = 1\n{code}", before=code) == []


def test_code_that_moves_between_files_of_a_change_is_no_news() -> None:
    code = b"import os\nos.fork()\n"
    assert plays({"a.py": code, "b.py": None}, {"a.py": None, "b.py": code}, RULER) == []
    assert plays({"b.py": None}, {"b.py": code}, RULER) != []


def test_what_does_not_parse_and_what_is_data_is_not_read() -> None:
    assert found("def (:\n") == []
    assert found("x = '\ud800'".encode("utf-8", "surrogatepass").decode("latin-1")) == []
    assert plays({"a.bin": b""}, {"a.bin": b"os._exit(0)"}, RULER) == []
    assert found("x = " + "(" * 5000 + ")" * 5000) == []


@pytest.mark.parametrize("depth", [100, 900, 1500, 2500, 20_000])
@pytest.mark.parametrize(
    "code",
    [
        "print(X)",
        "print('a'Y)",
        "class A:\n    def __eq__(self, o):\n        return Z True",
        "__import__('os')()A = 1",
    ],
)
def test_what_nests_too_deeply_is_no_error(code: str, depth: int) -> None:
    """Python may run what a reading of the text cannot follow."""
    code = code.replace("X", "+".join(["'a'"] * depth)).replace("Y", ".format()" * depth)
    code = code.replace("Z", "not " * depth).replace("()A", "().a" * depth)
    assert found(code) in ([], ["work.py:1 is nested too deeply to be read"], EQUAL)


def test_a_script_without_an_ending_is_read_as_python() -> None:
    assert plays({"run": None}, {"run": b"#!/usr/bin/env python3\nimport os\nos.fork()"}, RULER)


OTHERS = {
    "if (process.env.CI) return 1;": ("a.ts", "asks whether it is measured: process.env.CI"),
    "Date.now = () => 0;": ("a.js", "patches the clock: Date.now ="),
    "performance.now = () => 0;": ("a.mjs", "patches the clock: performance.now ="),
    "if(process.env.NODE_TEST_CONTEXT) f();": (
        "a.js",
        "asks whether it is measured: process.env.NODE_TEST_CONTEXT",
    ),
    "process.exit();": ("a.js", "exits with success: process.exit()"),
    "const l=console.log; console.log=(s)=>l(1);": (
        "a.js",
        "patches what is printed: console.log=",
    ),
    "require('assert').strictEqual=()=>{}": (
        "a.js",
        "patches assert: require('assert').strictEqual=",
    ),
    "__attribute__((constructor)) static void f(void) {": (
        "a.c",
        "runs before main: __attribute__((constructor",
    ),
    "  _exit(0);": ("a.cpp", "exits with success: _exit(0)"),
    "clock_t clock(void) { return 0; }": ("a.c", "patches the clock: clock_t clock(void) {"),
    "func init() { fmt.Println(x); os.Exit(0) }": ("a.go", "exits with success: os.Exit(0)"),
    "std::process::exit(0);": ("a.rs", "exits with success: process::exit(0)"),
    "System.exit(0);": ("A.java", "exits with success: System.exit(0)"),
    "at_exit { puts 1 }": ("a.rb", "has the last word: at_exit"),
    "globalThis.Date={now:()=>0};": ("b.js", "patches the clock: globalThis.Date="),
    "Object.defineProperty(performance,'now',{value:f})": ("b.ts", "patches the clock: define"),
    "const fast=process.argv[1].endsWith('bench.js')": ("c.js", "asks whether it is measured"),
    "process.on('exit',()=>{process.exitCode=0})": (
        "d.js",
        "has the last word: process.exitCode=0",
    ),
    "if testing.Testing() { return 1 }": ("b.go", "asks whether it is measured"),
    'if os.Getenv("CI") != "" {': ("c.go", "asks whether it is measured"),
    "if cfg!(test) { slow() }": ("b.rs", "asks whether it is measured: cfg!(test)"),
    "Environment.Exit(0);": ("a.cs", "exits with success: Environment.Exit(0)"),
    "def self.clock_gettime(*) = 0": ("b.rb", "patches the clock: def self.clock_gettime"),
    "END { $? = 0 }": ("a.pl", "has the last word: END {"),
    "*Time::HiRes::time = sub { 0 };": ("a.pm", "patches the clock: *Time::HiRes::time ="),
    "register_shutdown_function('f');": ("a.php", "has the last word"),
    "os.clock = function() return 0 end": ("a.lua", "patches the clock: os.clock ="),
    "trap 'exit 0' EXIT": ("a.sh", "has the last word: trap 'exit 0"),
    "kill -9 $PPID": ("b.sh", "ends who has started it: kill -9 $PPID"),
    "exit(0)": ("a.swift", "exits with success: exit(0)"),
    "System.halt(0)": ("a.ex", "exits with success: System.halt(0)"),
    "exitProcess(0)": ("a.kt", "exits with success: exitProcess(0)"),
    "main = exitSuccess": ("a.hs", "exits with success: exitSuccess"),
}


@pytest.mark.parametrize("code", OTHERS)
def test_other_languages_are_searched_for_the_plainest_cheats(code: str) -> None:
    path, why = OTHERS[code]
    assert plays({path: b""}, {path: code.encode()}, RULER)[0].startswith(f"{path}:1 {why}")


HONEST_OTHERS = {
    "a.ts": "if (Date.now === x || process.env.CIRCLE) {}\nprocess.exit(1);\nassert.ok(x === 1);",
    "a.c": "clock_t a = clock();\nclock_t clock(void);\nexit(1);\n_exit(1);\nclock_gettime(x, &t);",
    "a.go": "os.Exit(1)\nfunc init() { table = make() }",
    "a.rs": "std::process::exit(1);",
    "A.java": "System.exit(1);",
    "a.rb": "exit 1\nexit_code = 0\nputs 'exit'",
    "b.js": "const t=performance.now();\nif (process.argv.length > 2) {}\nObject.assign(a, b);",
    "b.go": 'testing.Short()\nos.Getenv("HOME")',
    "b.rs": "#[cfg(test)]\nmod tests {}",
    "a.sh": "trap 'rm -f x' EXIT\nexit 0\nkill $pid",
    "a.lua": "local t = os.clock()\nif os.time == nil then end",
    "a.pl": "my $end = 1;\nexit 1;",
    "a.ex": "System.halt(1)",
}


@pytest.mark.parametrize("path", HONEST_OTHERS)
def test_honest_code_of_other_languages_is_left_alone(path: str) -> None:
    assert plays({path: b""}, {path: HONEST_OTHERS[path].encode()}, RULER) == []


def test_the_reason_names_the_first_three() -> None:
    assert sentence([]) == ""
    assert sentence(["a"]) == "plays against the ruler: a"
    assert sentence(list("abcde")) == "plays against the ruler: a, b, c, and 2 more"


# --- honest changes: none may be found ------------------------------------------------------------


class _Refactoring(ast.NodeTransformer):
    """Other constants, other names of local variables, another order, one function twice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if type(node.value) in (int, float) and self._random.random() < 0.5:
            return ast.copy_location(ast.Constant(node.value * 2), node)
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        functions = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        for function in self._random.sample(functions, min(2, len(functions))):
            copy = ast.parse(ast.unparse(function)).body[0]
            assert isinstance(copy, ast.FunctionDef)
            copy.name = f"{function.name}_again"
            node.body.append(copy)
            node.body.remove(function)
        return node


def test_no_refactored_module_of_the_standard_library_is_refused(torture: bool) -> None:
    paths = sorted(p for p in LIBRARY.glob("*.py") if p.stat().st_size < 200_000)
    assert len(paths) > 100
    for seed, path in enumerate(paths if torture else random.Random(0).sample(paths, 5)):
        before = path.read_bytes()
        after = ast.unparse(_Refactoring(seed).visit(ast.parse(before))).encode()
        assert plays({path.name: before}, {path.name: after}, RULER) == [], path


def test_no_changed_constant_of_the_trainer_is_refused(torture: bool) -> None:
    for seed in range(10 if torture else 2):
        after = ast.unparse(_Refactoring(seed).visit(ast.parse(TRAINER)))
        assert after != TRAINER
        assert found(after, before=TRAINER, path="trainer/train.py") == []


@pytest.mark.parametrize(
    "name", ["heapq", "bisect", "statistics", "textwrap", "csv", "shlex", "fractions", "colorsys"]
)
def test_a_whole_new_module_of_an_ordinary_kind_is_not_refused(name: str) -> None:
    text = (LIBRARY / f"{name}.py").read_text(encoding="utf-8")
    assert found(text.replace("# pragma: no cover", ""), before=None) == []
