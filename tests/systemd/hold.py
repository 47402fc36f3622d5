"""Holds one thread of a process still, as a debugger does, until the process ends.

hold.py PID THREAD-NAME: writes `held` once the thread stands still.
"""

import ctypes
import os
import sys

SEIZE, INTERRUPT, ALL_CHILDREN = 0x4206, 0x4207, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def find(process, name):
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/comm") as comm:
            if comm.read().strip() == name:
                return int(thread)
    raise SystemExit(f"no thread {name} in {process}")


thread = find(sys.argv[1], sys.argv[2])
ptrace(SEIZE, thread)
ptrace(INTERRUPT, thread)
os.waitpid(thread, ALL_CHILDREN)
print("held", flush=True)
# Its end has to be seen, or the process could not end.
while True:
    _, status = os.waitpid(thread, ALL_CHILDREN)
    if os.WIFEXITED(status) or os.WIFSIGNALED(status):
        break
