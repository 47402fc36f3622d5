"""The simplest client there is: connect, send two fields, print what comes. As a person wrote it once."""
import json
import socket
import sys
import threading

host, port, username = sys.argv[1], int(sys.argv[2]), sys.argv[3]
server = socket.create_connection((host, port))
lines = server.makefile("r", encoding="utf-8", newline="\n")


def listen():
    for line in lines:
        said = json.loads(line)
        assert set(said) == {"username", "message"}, line
        print(f"{said['username']}: {said['message']}", flush=True)


threading.Thread(target=listen, daemon=True).start()
for text in sys.stdin:
    server.sendall(json.dumps({"username": username, "message": text.rstrip("\n")}).encode() + b"\n")
