"""`python -m autoresearch_ci.cli.action`: the step; with `end`, what follows however it went."""

import sys
from typing import NoReturn

from autoresearch_ci.safety.restart_without_secrets import withhold


def main() -> NoReturn:
    """The step: `autoresearch-ci-job`."""
    environment = withhold()  # before anything else: it starts this process again
    from autoresearch_ci.cli.action import entry

    sys.exit(entry.main(environment))


def end() -> NoReturn:
    """What follows it: `autoresearch-ci-job-end`."""
    environment = withhold()
    from autoresearch_ci.cli.action import entry

    sys.exit(entry.end(environment))


if __name__ == "__main__":
    end() if sys.argv[1:] == ["end"] else main()
