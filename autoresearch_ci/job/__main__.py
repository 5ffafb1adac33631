"""`python -m autoresearch_ci.job` is the step itself; with `end`, what must follow however it went.

Nothing but the standard library is imported before the environment has been taken over.
"""

import sys
from typing import NoReturn

from autoresearch_ci.job.takeover import take_environment


def main() -> NoReturn:
    """The step: `autoresearch-ci-job`."""
    _run([])


def end() -> NoReturn:
    """What follows it: `autoresearch-ci-job-end`."""
    _run(["end"])


def _run(arguments: list[str]) -> NoReturn:
    environment = take_environment(arguments)
    from autoresearch_ci.job import entry

    sys.exit(entry.end(environment) if arguments == ["end"] else entry.main(environment))


if __name__ == "__main__":
    _run(sys.argv[1:])
