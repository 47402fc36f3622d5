#!/usr/bin/env python3
"""The simplest client in the world: it connects, and knows two fields."""
import json
import socket
import sys
import threading

host, port, username = sys.argv[1], int(sys.argv[2]), sys.argv[3]
server = socket.create_connection((host, port))


def listen():
    for line in server.makefile("r", encoding="utf-8", newline="\n"):
        heard = json.loads(line)
        if set(heard) != {"username", "message"}:
            sys.exit(f"I do not understand: {line}")
        print(f"{heard['username']}: {heard['message']}", flush=True)


listener = threading.Thread(target=listen)
listener.start()
for said in sys.stdin:
    said = {"username": username, "message": said.rstrip("\n")}
    server.sendall((json.dumps(said) + "\n").encode())
server.shutdown(socket.SHUT_WR)
listener.join()
