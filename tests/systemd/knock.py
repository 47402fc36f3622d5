"""Comes again and again, says hello, waits for the answer, goes, until its input ends.

Writes how many were welcomed, sent away with a word, refused by the system and cut off without a word.
"""

import json
import select
import socket
import sys

# Twenty a second: as many as one address may by the shipped limits, for however long it takes.
PAUSE = 0.05

counts = dict(welcomed=0, sent_away=0, refused=0, cut=0)
while not select.select([sys.stdin], [], [], PAUSE)[0]:
    try:
        with socket.create_connection(("127.0.0.1", 7687), timeout=60) as door:
            door.sendall(b'{"type":"hello","version":1}\n')
            line = door.makefile().readline()
    except ConnectionRefusedError:
        counts["refused"] += 1
        continue
    except OSError:
        line = ""
    if '"type":"welcome"' in line:
        counts["welcomed"] += 1
    # Whose hello was not read yet is told as both kinds of client can read it.
    elif '"type":"bye"' in line or '"draining"' in line or "is shutting down" in line:
        counts["sent_away"] += 1
    else:
        counts["cut"] += 1
print(json.dumps(counts))
