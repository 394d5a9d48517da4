"""What a program and all that it started cost: wall time, CPU time, peak memory.

usage: measure.py RESULT COMMAND...     runs COMMAND, writes {"wall", "cpu", "peak", "exit"} as JSON to RESULT

It is a process of its own for each measurement. As subreaper it inherits every descendant, also those that outlive
their parents, waits for all of them, and so knows the CPU time of the whole tree from the kernel. Peak memory is the
largest sum of the resident sizes of the tree, looked at every 10 ms, or the largest single process by the kernel's own
count, whichever is more; pages that processes share count for each.
"""
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGE_SIZE")


def children(pid):
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                for child in map(int, file.read().split()):
                    yield child
                    yield from children(child)
    except OSError:
        return


def resident(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def tree_memory(pid):
    return sum(resident(child) for child in children(pid))


def main():
    result, command = sys.argv[1], sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak, over = 0, threading.Event()

    def watch():
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, tree_memory(os.getpid()))

    began = time.monotonic()
    child = subprocess.Popen(command, stdout=sys.stderr)
    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    wall = time.monotonic() - began
    while True:  # those that outlived it
        try:
            os.wait()
        except ChildProcessError:
            break
    over.set()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(result, "w") as file:
        json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": max(peak, used.ru_maxrss * 1024),
                   "exit": status}, file)


if __name__ == "__main__":
    main()
