"""Behind `weights_only` there is a second wall: a process that can do nothing but read and write the job's files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from chartune.importing.unpickle import LEGACY


class Payload:
    """What a malicious checkpoint carries: reading it as a plain pickle writes a file."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.touched}",)


ACTS = {
    "os.system": "import os; os.system('touch {touched}')",
    "open": "open('{touched}', 'w')",
    "os.mkdir": "import os; os.mkdir('{touched}')",
    "import": "import wave",
    "subprocess.Popen": "import subprocess; subprocess.Popen(['touch', '{touched}'])",
    "socket.__new__": "import socket; socket.socket()",
    "os.posix_spawn": "import os; os.posix_spawn('/bin/touch', ['touch', '{touched}'], {{}})",
    "os.exec": "import os; os.execv('/bin/touch', ['touch', '{touched}'])",
    "os.fork": "import os; os.fork()",
    "compile": "eval('1')",
    "ctypes.dlopen": "import ctypes; ctypes.CDLL(None)",
    "os.listdir": "import os; os.listdir('/')",
    "os.rename": "import os; os.rename('{source}', '{touched}')",
}


def test_behind_the_second_wall_python_can_do_nothing_else(tmp_path: Path) -> None:
    source, touched, folder = tmp_path / "weights.bin", tmp_path / "touched", tmp_path / "out"
    source.write_bytes(LEGACY)
    acts = {event: act.format(touched=touched, source=source) for event, act in ACTS.items()}
    program = "import ctypes, json, os, socket, subprocess, sys\nfrom pathlib import Path\n"
    program += "from chartune.importing import sandbox\n\n"
    program += "\n".join(f"def act{number}():\n    {act}" for number, act in enumerate(acts.values()))
    program += f"""
sandbox.seal([Path({str(source)!r})], Path({str(folder)!r}))
open({str(source)!r}, 'rb').read()
told = []
for act in {", ".join(f"act{number}" for number in range(len(acts)))}:
    try:
        told.append(act() or 'done')
    except sandbox.Refused as refused:
        told.append(str(refused))
sys.stdout.write(json.dumps(told))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for event, told in zip(acts, json.loads(done.stdout), strict=True):
        assert told.startswith(f"it asked for {event}"), (event, told)
    assert not touched.exists()
    assert source.exists()


def test_were_weights_only_ever_broken_the_second_wall_would_hold(tmp_path: Path) -> None:
    source, touched, folder = tmp_path / "weights.bin", tmp_path / "touched", tmp_path / "out"
    folder.mkdir()
    torch.save({"x": Payload(touched)}, source)
    program = (
        "import functools, torch\nfrom chartune.importing import unpickle\n"
        "loads = torch.load\n"
        "torch.load = lambda *a, **k: loads(*a, **(k | {'weights_only': False}))\n"
        "unpickle.main()\n"
    )
    job = {"sources": [str(source)], "folder": str(folder), "ties": {}, "drops": []}
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    assert json.loads(done.stderr.strip().rpartition("\n")[2])["message"].startswith("it asked for pickle.find_class")
    assert not touched.exists()
