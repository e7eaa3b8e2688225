"""What runs within a task of Ray: a process of the command line. Nothing else is imported: a task begins at once."""

import os
import subprocess
from collections.abc import Mapping, Sequence


def done_by(words: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[int, str]:
    """Within a task: do a cell by a process of its own; its exit code, and what it printed.

    A task that is cancelled has its process end at a checkpoint.

    Args:
        words: the command.
        environment: variables beside those of the task.
        folder: that the study was started in.
    """
    process = subprocess.Popen(words, env={**os.environ, **environment}, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process.returncode, said
