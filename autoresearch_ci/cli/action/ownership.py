"""Gives the workspace back to the runner's user after a container step, which runs as root.

Otherwise the next checkout on a runner that is kept fails with "permission denied"
(https://github.com/actions/runner/issues/434).
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path


def give_back(workspace: Path, *, since: float, deadline: float = 60.0) -> int:
    """How many entries were given to the workspace's owner.

    Only what was made or changed after `since` (seconds since the epoch) and belongs to somebody
    else. Links are not followed, other file systems are not entered, and a file with a second name
    is left alone outside of `.git`: that name may be elsewhere. Stops after `deadline` seconds.
    """
    top = workspace.lstat()
    if os.geteuid() != 0 or not stat.S_ISDIR(top.st_mode):
        return 0
    give_up, given = time.monotonic() + deadline, 0
    for folder, folders, files, descriptor in os.fwalk(workspace, follow_symlinks=False):
        inside_git = ".git" in Path(folder).relative_to(workspace).parts
        for name in (*folders, *files):
            given += _give(name, descriptor, top, since, inside_git)
        folders[:] = [name for name in folders if _device(name, descriptor) == top.st_dev]
        if time.monotonic() > give_up:
            break
    return given


def _give(name: str, folder: int, top: os.stat_result, since: float, inside_git: bool) -> bool:
    with contextlib.suppress(OSError):  # gone meanwhile, or not ours to give
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and not inside_git
        if found.st_uid == top.st_uid or found.st_ctime < since or shared:
            return False
        os.chown(name, top.st_uid, top.st_gid, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _device(name: str, folder: int) -> int:
    with contextlib.suppress(OSError):
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_dev
    return -1
