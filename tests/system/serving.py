"""A process that runs ``ndrite board serve``: a simulated board behind a
pseudo-terminal or a UDP socket."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

MAIN = "from ndrite.shell import main; main()"


class Served(contextlib.AbstractContextManager["Served"]):
    """A process that runs Python ``code`` with ``arguments``; ``said`` is the
    first line it prints."""

    def __init__(self, code: str, *arguments: str) -> None:
        command = [sys.executable, "-c", code, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.stop()

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        self.process.send_signal(with_signal)
        self.process.communicate(timeout=30)
        return self.process.returncode


class Server(Served):
    """On a terminal at ``link``; without one, on a free UDP port, ``url`` says which."""

    def __init__(self, preset: str, link: Path | None = None) -> None:
        where = ["--udp", "--at", "127.0.0.1:0"] if link is None else ["--link", str(link)]
        super().__init__(MAIN, "board", "serve", "--preset", preset, *where)
        self.link = link
        self.url = self.said.strip().rpartition(" ")[2]
