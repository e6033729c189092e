# SPDX-License-Identifier: ISC
"""door - the door of a program that serves, with answers out of a file.

    door.py SOCKET STATE

STATE is JSON: "status" is answered to who asks nothing, "watches" to the line
"watches", "nudge" to "nudge PATH" (null: a release that does not know the line), and once it was nudged with a path
that ends in "of", "then" is the status. Questions are appended to STATE.asked. An
object is sent as JSON, a string as it is, null not at all.
"""
import json
import os
import socket
import sys

path, state = sys.argv[1:3]
door = socket.socket(socket.AF_UNIX)
os.makedirs(os.path.dirname(path), exist_ok=True)
door.bind(path)
door.listen(16)
open(state + ".ready", "w").close()
nudged, before = False, None
while True:
    conn, _ = door.accept()
    with open(state) as f:
        says = json.load(f)
    nudged, before = nudged and says == before, says
    question = b""
    if says.get("nudge", 0) is not None:
        while not question.endswith(b"\n"):
            more = conn.recv(4096)
            if not more:
                break
            question += more
    with open(state + ".asked", "ab") as f:
        f.write(question)
    answer = says["status"]
    if question.startswith(b"nudge "):
        answer = says["nudge"]
        nudged = nudged or question.decode().strip().endswith(says.get("of", ""))
    elif question == b"watches\n":
        answer = says.get("watches", {})
    elif nudged and "then" in says:
        answer = says["then"]
    if answer is not None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        conn.sendall(text.encode())
    conn.close()
