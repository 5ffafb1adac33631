"""Writes requirements.lock: what the image and the composite action install, to the version.

    python .ci/lock.py > requirements.lock

Asks pip to resolve the package as it would be installed now. Hashes are written for files that come
from PyPI itself; those of a mirror or of a local folder may be of other files.
"""

import json
import subprocess
import sys
from pathlib import Path

HEAD = """\
# What the image and the composite action install. Generated: make lock
# hatchling and what it needs build our own wheel.
"""
PYPI = "https://files.pythonhosted.org/"


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    argv = [*pip, "--report", "-", str(root), "hatchling"]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)["install"]
    lines = [line(item) for item in found if item["metadata"]["name"] != "autoresearch-ci"]
    print(HEAD + "\n".join(sorted(lines, key=str.lower)))


def line(item: dict) -> str:
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    source = item["download_info"]
    digest = source.get("archive_info", {}).get("hashes", {}).get("sha256")
    pin = f"{name}=={version}"
    return f"{pin} --hash=sha256:{digest}" if source["url"].startswith(PYPI) else pin


if __name__ == "__main__":
    main()
