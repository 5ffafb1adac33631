"""`python -m autoresearch_ci`."""

from autoresearch_ci.cli import main

main()
