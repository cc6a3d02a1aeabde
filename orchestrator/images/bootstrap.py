"""Running mmdebstrap: a folder of unpacked or installed packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from orchestrator.errors import ImageError
from orchestrator.images.suites import Suite

Say = Callable[[str], None]
Variant = Literal["extract", "minbase"]

_TIMEOUT_S = 1800


def bootstrap(
    suite: Suite, target: Path, packages: Sequence[str], variant: Variant, say: Say, options: Sequence[str] = ()
) -> None:
    """Fill ``target``. ``extract`` only unpacks the packages and what they need; ``minbase`` installs them."""
    command = ["mmdebstrap", f"--variant={variant}", f"--include={','.join(packages)}", *options]
    if suite.distribution == "ubuntu":
        command.append("--components=main,universe")
    command += [f"--aptopt={option}" for option in suite.apt_options]
    command += [suite.name, str(target), *suite.lines]
    log: list[str] = []
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise ImageError("'mmdebstrap' is not installed; images cannot be built without it.") from error
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            log = [*log[-19:], line.rstrip()]
            if line.startswith("I: "):
                say(line[3:].rstrip())
    if process.returncode != 0:
        raise ImageError(f"mmdebstrap ended with code {process.returncode}. Its last words: {' / '.join(log[-5:])}")
