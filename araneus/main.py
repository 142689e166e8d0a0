"""One half of a server as a process of its own: ``python -m araneus.main api|scheduler DATA PARENT WORD SOCKET``.

Run by the supervisor. ``PARENT`` is the descriptor of a pipe that closes when the supervisor dies, ``WORD`` that of a
pipe to tell it things (see `half.Word`), ``SOCKET`` the listening socket. Each half imports its own packages
only, and they start side by side.
"""

import os
import signal
import socket
import sys
from pathlib import Path

ARGUMENTS = 6


def main(arguments: list[str]) -> None:
    """Run one half, as the supervisor asks."""
    if len(arguments) != ARGUMENTS or arguments[1] not in {"api", "scheduler"}:
        raise SystemExit("This is run by `araneus up`.")
    # structlog loads rich where it finds it, for coloured output that a half never writes: 0.1 s of every start.
    sys.modules["rich"] = None  # type: ignore[assignment]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    half, data = arguments[1], Path(arguments[2])
    parent, word, listening = map(int, arguments[3:])
    for descriptor in (parent, word):
        # Tools must not have them: what is written to the one is believed.
        os.set_inheritable(descriptor, False)
    _run(half, data, parent, word, socket.socket(fileno=listening))


def _run(half: str, data: Path, parent: int, descriptor: int, sock: socket.socket) -> None:
    from araneus import config, logs  # noqa: PLC0415 (after the above)
    from araneus.half import Word  # noqa: PLC0415

    word = Word(descriptor, half)
    settings = config.load(data, os.environ)
    logs.configure(settings.log.level, half)
    try:
        with sock:
            if half == "api":
                from araneus import api_half  # noqa: PLC0415 (the other half does without)

                api_half.run(settings, sock, parent, word)
            else:
                sock.close()
                from araneus import scheduler_half  # noqa: PLC0415 (as above)

                scheduler_half.run(settings, parent, word)
    except Exception as error:
        # The driver's own words are the clear ones; the log has the rest.
        word.say(failed=" ".join(str(getattr(error, "orig", error)).split()) or type(error).__name__)
        raise


if __name__ == "__main__":
    main(sys.argv)
