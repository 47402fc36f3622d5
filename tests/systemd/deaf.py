"""Somebody in the lobby who never reads, and somebody who talks until the first cannot be told more.

Writes `deaf` then, and stays until its input ends.
"""

import json
import socket
import subprocess
import sys


def arrive(name):
    person = socket.create_connection(("127.0.0.1", 7687), timeout=60)
    hello = dict(type="hello", version=1, username=name, join=True, caps=[])
    person.sendall((json.dumps(hello) + "\n").encode())
    return person


def is_behind():
    listed = subprocess.run(
        ["chatctl", "list-clients", "--state", "behind", "--format", "json"],
        capture_output=True,
        text=True,
    )
    return "deaf" in listed.stdout


deaf = arrive("deaf")
loud = arrive("loud")
answers = loud.makefile()
while not is_behind():
    for _ in range(100):
        loud.sendall((json.dumps(dict(type="message", message="x" * 3000)) + "\n").encode())
        while '"type":"ack"' not in answers.readline():
            pass
answers.close()
loud.close()
print("deaf", flush=True)
sys.stdin.read()
