"""`python -m autoresearch_ci.job`: the step itself; with `end`, what follows however it went."""

import sys
from typing import NoReturn

from autoresearch_ci.secrets import withhold


def main() -> NoReturn:
    """The step: `autoresearch-ci-job`."""
    environment = withhold()  # before anything else: it starts this process again
    from autoresearch_ci.job import entry

    sys.exit(entry.main(environment))


def end() -> NoReturn:
    """What follows it: `autoresearch-ci-job-end`."""
    environment = withhold()
    from autoresearch_ci.job import entry

    sys.exit(entry.end(environment))


if __name__ == "__main__":
    end() if sys.argv[1:] == ["end"] else main()
