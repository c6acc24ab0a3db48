"""Start a program and end it when the process that asked for it dies or hangs. Run by path, without packages.

    python -I -S guard.py PIPE SILENCE PATIENCE PROGRAM ...

PIPE is the number of a file that the worker writes to: ``.`` while it lives, ``t`` to ask for the end, upon
which the program and all that it has started receive SIGTERM. When the file is closed, or nothing comes for
SILENCE seconds, they receive SIGTERM, and SIGKILL after PATIENCE seconds: no run goes on in a folder that
another worker has taken over. The status is the program's.
"""

import os
import select
import signal
import subprocess
import sys
import threading


def end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the program and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, number)


def watch(pipe: int, silence: float, patience: float, process: "subprocess.Popen[bytes]") -> None:
    """End the program when the worker is gone."""
    while True:
        readable, _, _ = select.select([pipe], [], [], silence)
        said = os.read(pipe, 4096) if readable else b""
        if b"t" in said:
            end(process, signal.SIGTERM)
        if not said:
            break
    end(process, signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        end(process, signal.SIGKILL)


def main(words: "list[str]") -> int:
    """Run the program to its end."""
    pipe, silence, patience = int(words[0]), float(words[1]), float(words[2])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the program decides, which a cluster signals too
    try:
        process = subprocess.Popen(words[3:], start_new_session=True)
    except OSError as error:
        print(f"error: {words[3]}: expected a program, found none ({error.strerror}).", file=sys.stderr)  # noqa: T201
        return 127
    threading.Thread(target=watch, args=(pipe, silence, patience, process), daemon=True).start()
    status = process.wait()
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
