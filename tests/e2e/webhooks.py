# SPDX-License-Identifier: MIT
"""Webhooks of a perdured, as a receiver sees them: BIN WORKER FOLDER.

The receiver verifies every signature and keeps what it was sent; what it answers is scripted."""
import base64, json, os, re, signal, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

bin_, worker, folder = sys.argv[1:]
keys = {"old": b"o" * 32, "new": b"n" * 32}
secret = lambda k: "whsec_" + base64.b64encode(keys[k]).decode()
with open("docs/guide/21-webhooks.md") as page:  # is_ours, as the guide has it
    exec(re.search(r"```python\n(.*?)```", page.read(), re.S)[1])
seen, answers, lock = [], [], threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        by = {k for k in keys if is_ours(secret(k), self.headers, body)}
        with lock:
            answer = answers.pop(0) if answers else 204
            seen.append({"path": self.path, "id": self.headers["webhook-id"], "by": by,
                         "type": self.headers["content-type"], "answer": answer,
                         "event": json.loads(body)})
        if answer == "silence":
            self.connection.close()
            return
        if answer == "slow":
            time.sleep(1)
            answer = 204
        self.send_response(answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_):
        pass


receiver = Server(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
port = receiver.server_address[1]


def settings(signed):
    with open(f"{folder}/webhooks", "w") as f:
        f.write(f"[all]\nurl = http://127.0.0.1:{port}/all\nretry-first = 100ms\n"
                "include-output = yes\nnames = Gr*, Ask, Fail\n")
        f.write("".join(f"secret = {secret(k)}\n" for k in signed))
        f.write(f"[ends]\nurl = http://127.0.0.1:{port}/ends\nevents = completed\n"
                f"secret = {secret('old')}\nhubs = other*\n")
        f.write(f"[fails]\nurl = http://127.0.0.1:{port}/fails\nevents = failed\n"
                f"secret = {secret('old')}\nretry-first = 100ms\n")


def serve():
    p = subprocess.Popen([f"{bin_}/perdured", f"--store=sqlite:{folder}/hub.db",
                          "--listen=127.0.0.1:" + grpc, "--http=", "--http-allow=private",
                          f"--webhooks={folder}/webhooks"], stderr=open(f"{folder}/log", "a"))
    return p


import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    grpc = str(s.getsockname()[1])
hub = f"grpc://127.0.0.1:{grpc}"
failed = passed = 0


def check(what, ok):
    global failed, passed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print("FAIL", what)


def perdure(*words):
    for _ in range(100):
        r = subprocess.run([f"{bin_}/perdure", *words, "--hub", hub], capture_output=True, text=True)
        if r.returncode == 0 or "UNAVAILABLE" not in r.stderr.upper():
            return r
        time.sleep(0.1)
    return r


def until(test, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        with lock:
            if test():
                return True
        time.sleep(0.05)
    return False


def of(instance, path="/all"):
    return [s for s in seen if s["event"]["subject"] == instance and s["path"] == path]


def kinds(instance, path="/all"):
    return [s["event"]["type"].rsplit(".", 1)[1] for s in of(instance, path)]


settings(["old"])
server = serve()
time.sleep(0.5)
hold = subprocess.Popen([worker, hub], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
try:
    perdure("start", "Greet", "--id", "g", "--input", '"you"')
    check("an instance is told started and completed",
          until(lambda: sorted(kinds("g")) == ["completed", "started"]))
    check("its output is there where it is asked for",
          any(s["event"]["data"].get("output") == "Hello you!" for s in of("g")))
    check("every request is signed", seen and all(s["by"] == {"old"} for s in seen))
    check("the event is a CloudEvent of this hub", seen and all(
        s["event"]["specversion"] == "1.0" and s["event"]["source"] == "/hubs/default"
        and s["id"] == s["event"]["id"] and s["type"].startswith("application/cloudevents+json")
        for s in seen))
    check("a webhook of another hub hears nothing", not of("g", "/ends"))
    perdure("start", "Echo", "--id", "quiet", "--input", "1")
    perdure("start", "Fail", "--id", "f", "--input", '"no"')
    check("a failure goes to both that want it",
          until(lambda: "failed" in kinds("f") and kinds("f", "/fails") == ["failed"]))
    check("without output, where it is not asked for",
          all("failure" not in s["event"]["data"] for s in of("f", "/fails")))
    check("a name that no pattern has is not told", not of("quiet"))
    perdure("start", "Ask", "--id", "a")
    until(lambda: kinds("a") == ["started"])
    for verb, kind in [("suspend", "suspended"), ("resume", "resumed"), ("terminate", "terminated")]:
        perdure(verb, "a")
        check(f"{kind} is told", until(lambda: kind in kinds("a")))
    with lock:
        answers.extend([500, "silence", "slow", 404])
    perdure("start", "Greet", "--id", "again", "--input", '"you"')
    check("what is refused, not answered, or slow comes again", until(
        lambda: {"started", "completed"} <= {s["event"]["type"].rsplit(".", 1)[1]
                                             for s in of("again") if s["answer"] == 204}
        or sum(s["answer"] in (204, "slow") for s in of("again")) >= 2, 30))
    check("with the same id", len({s["id"] for s in of("again")}) == 2)
    settings(["new", "old"])
    server.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    perdure("start", "Greet", "--id", "rotated", "--input", '"you"')
    check("during a rotation both secrets sign",
          until(lambda: of("rotated") and all(s["by"] == {"old", "new"} for s in of("rotated"))))
    with lock:
        answers.extend([503] * 4)
    perdure("start", "Greet", "--id", "killed", "--input", '"you"')
    until(lambda: of("killed"))
    server.kill()
    server.wait()
    server = serve()
    check("a server that is killed loses nothing", until(
        lambda: {s["event"]["type"] for s in of("killed") if s["answer"] == 204} ==
        {"dev.perdure.orchestration.started", "dev.perdure.orchestration.completed"}, 30))
    check("and what comes twice has the same id", len({s["id"] for s in of("killed")}) == 2)
    stored = b"".join(open(f"{folder}/{n}", "rb").read() for n in os.listdir(folder)
                      if n.startswith("hub") and n.endswith((".db", "-wal")))
    check("the store has events", b"dev.perdure.orchestration" in stored)
    check("and neither secret, signature nor URL", not any(
        w in stored for w in [*keys.values(), secret("old").encode(), secret("new").encode(), b"v1,",
                              f"127.0.0.1:{port}".encode()]))
finally:
    hold.stdin.close()
    server.terminate()
    server.wait()
if failed:
    print(open(f"{folder}/log").read()[-3000:])
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
