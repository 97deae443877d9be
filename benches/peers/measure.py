"""Runs the command it is given and says what it cost, as one line of JSON.

A process of its own: Linux counts the memory of whoever starts a program into the program's peak
(the counter of getrusage(2) outlives execve(2)), and this one is small.
"""

import json
import os
import subprocess
import sys
import time


def main():
    started = time.perf_counter()
    child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    elapsed = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps({"said": said, "seconds": elapsed, "cpu": usage.ru_utime + usage.ru_stime,
                      "peak": usage.ru_maxrss * 1024, "exit": child.returncode}))


if __name__ == "__main__":
    main()
