"""`python -m autoresearch_ci`."""

from autoresearch_ci.cli.main import main

main()
