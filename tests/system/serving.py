"""A process that runs ``ndrite serve``: a simulated board behind a pseudo-terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

MAIN = "from ndrite.cli import main; main()"


class Server:
    def __init__(self, preset: str, link: Path) -> None:
        command = [sys.executable, "-c", MAIN, "serve", "--preset", preset, "--link", str(link)]
        self.link = link
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        self.process.send_signal(with_signal)
        self.process.communicate(timeout=30)
        return self.process.returncode
