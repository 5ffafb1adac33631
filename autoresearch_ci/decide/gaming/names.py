"""The names by which Python code reaches clocks, stacks, the environment and test frameworks."""

from __future__ import annotations

import builtins
import re

PATCHABLE = frozenset(
    {
        *("time", "datetime", "datetime.datetime", "timeit", "resource", "tracemalloc", "random"),
        *("secrets", "statistics", "math", "operator", "json", "subprocess", "sys.modules"),
        *("pytest", "_pytest", "unittest", "unittest.TestCase", "hypothesis"),
    }
)
"""Modules and classes whose attributes belong to everyone in the process."""
BUILTINS = frozenset(dir(builtins))
FRAMEWORKS = frozenset({"pytest", "_pytest", "unittest", "nose", "hypothesis", "pluggy"})
CLOCK_PATCHERS = frozenset({"freezegun", "time_machine"})
HOOKS = frozenset(
    {
        "pytest_collection_modifyitems",
        "pytest_collect_file",
        "pytest_ignore_collect",
        "pytest_itemcollected",
        "pytest_pycollect_makeitem",
        "pytest_pyfunc_call",
        "pytest_report_teststatus",
        "pytest_runtest_call",
        "pytest_runtest_logreport",
        "pytest_runtest_makereport",
        "pytest_runtest_protocol",
        "pytest_runtestloop",
        "pytest_runtest_setup",
        "pytest_sessionfinish",
        "pytest_unconfigure",
    }
)
"""Through which a conftest decides what runs, and what is said about it."""
EXITS = frozenset(
    {
        *("sys.exit", "exit", "quit", "os.abort", "os.kill", "os.execv", "os.execve", "os.execvp"),
        *("os.execvpe", "os.execl", "os.execle", "os.execlp", "os.execlpe"),
    }
)
"""An exec ends the program, too, and another one says how it went."""
STACK = frozenset(
    {
        *("sys._getframe", "sys._current_frames", "sys.settrace", "sys.setprofile"),
        *("inspect.stack", "inspect.currentframe", "inspect.getouterframes"),
        *("traceback.extract_stack", "traceback.walk_stack", "traceback.format_stack"),
        *("gc.get_objects", "gc.get_referrers"),
    }
)
TEXT_QUESTIONS = frozenset(
    {"endswith", "startswith", "find", "index", "match", "search", "fullmatch", "count"}
)
DETACHING = frozenset({"os.fork", "os.forkpty", "os.setsid", "os.setpgrp", "os.daemon"})
DETACHING_ARGUMENTS = frozenset({"start_new_session", "setsid", "process_group"})
PRINTING = frozenset(
    {
        *("print", "pprint", "write", "writelines", "write_text", "echo", "secho", "log"),
        *("debug", "info", "warning", "error", "critical", "exception"),
    }
)
OPENING = frozenset(
    {
        *("open", "Path", "PurePath", "PosixPath", "fopen", "join", "joinpath", "read_csv"),
        *("load", "loadtxt", "genfromtxt", "fromfile", "memmap", "exists", "isfile", "is_file"),
        *("run_path", "connect", "mkdir", "makedirs", "rename", "replace", "copy", "copyfile"),
        *("spec_from_file_location", "remove", "unlink", "symlink", "link", "parse", "dump"),
    }
)
MEASURED = re.compile(
    r"CI|CONTINUOUS_INTEGRATION|GITHUB_ACTIONS?|GITHUB_WORKFLOW|GITHUB_RUN_ID|RUNNER_\w+"
    r"|GITLAB_CI|JENKINS_\w+|BUILDKITE|TRAVIS|CIRCLECI|AUTORESEARCH\w*"
)
"""Variables that tell a measurement from an ordinary call."""
PYTEST_VARIABLES = re.compile(r"PYTEST_\w+")
SHARED_PLACES = re.compile(r"/(dev/shm|tmp|var/tmp|run|var/run)/.")
"""Folders that outlive a measurement."""
STARTS_WITH_PYTHON = re.compile(r"(^|/)(sitecustomize|usercustomize)(\.py)?$")
SITE_FOLDERS = frozenset({"site.getsitepackages", "site.getusersitepackages"})
CONSTANT_METHODS = {"__eq__": True, "__ne__": False}
"""Comparisons, and the answer that pleases every assertion."""
OPPOSITES = (("__lt__", "__gt__"), ("__le__", "__ge__"))
"""An object that is both smaller and larger than everything pleases every assertion, too."""
