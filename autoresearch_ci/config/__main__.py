"""Prints the JSON schema: `python -m autoresearch_ci.config > autoresearch_ci/schema.json`."""

from __future__ import annotations

import json

from autoresearch_ci.config import json_schema

if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
