# SPDX-License-Identifier: MIT
"""Webhooks of a perdured when things go wrong: BIN WORKER FOLDER.

Kills between a commit and its first request, between requests, during the wait for the next; a
receiver that refuses, sends elsewhere, wants to be left alone, or never answers; settings that
change under way; deliveries that are given up, and rewound. The receiver checks every signature
by itself (hmac of Python)."""
import base64, hashlib, hmac, json, os, random, signal, socket, subprocess, sys, threading, time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

bin_, worker, folder = sys.argv[1:]
key = b"k" * 32
seen, lock = [], threading.Lock()
script = {}  # path: what is answered, in order; the last one stays
open_now, open_most = {}, {}
let_go = threading.Event()
passed = failed = 0


def check(what, ok):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print("FAIL", what, flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        said = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        good = "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
        with lock:
            answers = script.setdefault(self.path, [204])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            seen.append({"path": self.path, "id": self.headers["webhook-id"], "answer": answer,
                         "at": time.time(), "event": json.loads(body),
                         "good": good == self.headers["webhook-signature"]
                         and abs(time.time() - int(self.headers["webhook-timestamp"])) < 60})
            open_now[self.path] = open_now.get(self.path, 0) + 1
            open_most[self.path] = max(open_most.get(self.path, 0), open_now[self.path])
        try:
            self.answer(answer)
        finally:
            with lock:
                open_now[self.path] -= 1

    def answer(self, answer):
        headers = {"content-length": "0"}
        if answer == "hold":
            let_go.wait(25)
            answer = 204
        elif answer == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return
        elif answer == "later":
            answer, headers["retry-after"] = 429, "2"
        elif answer == "elsewhere":
            answer, headers["location"] = 302, f"http://127.0.0.1:{port}/elsewhere"
        self.send_response(answer)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self):
        with lock:
            seen.append({"path": self.path, "id": "GET", "answer": 200, "good": False,
                         "at": time.time(), "event": {"subject": "", "type": ""}})
        self.answer(200)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_):
        pass


receiver = Server(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
port = receiver.server_address[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def settings(**hooks):
    with open(f"{folder}/webhooks", "w") as f:
        for name, lines in hooks.items():
            f.write(f"[{name}]\nurl = http://127.0.0.1:{port}/{name}\n"
                    f"secret = whsec_{base64.b64encode(key).decode()}\n{lines}")


grpc, http = free_port(), free_port()
hub = f"grpc://127.0.0.1:{grpc}"
options = [f"--store=sqlite:{folder}/faults.db", "--listen=127.0.0.1:" + grpc,
           "--http=127.0.0.1:" + http, "--http-allow=private", f"--webhooks={folder}/webhooks"]


def serve(modules=None):
    env = dict(os.environ, **({"PERDURE_MODULES": modules} if modules else {}))
    server = subprocess.Popen([f"{bin_}/perdured", *options], env=env,
                              stderr=open(f"{folder}/log", "a"), stdout=subprocess.DEVNULL)
    until(lambda: answers_http(), 20)
    return server


def answers_http():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=2).status == 200
    except OSError:
        return False


def stop(server, how=signal.SIGKILL):
    server.send_signal(how)
    server.wait()


def perdure(*words):
    for _ in range(100):
        r = subprocess.run([f"{bin_}/perdure", *words, "--hub", hub], capture_output=True, text=True)
        if r.returncode == 0 or "UNAVAILABLE" not in r.stderr.upper():
            return r
        time.sleep(0.1)
    return r


def post(name, id):
    """Started by the management API: quick, for many."""
    url = f"http://127.0.0.1:{http}/runtime/webhooks/durabletask/orchestrators/{name}/{id}"
    urllib.request.urlopen(urllib.request.Request(url, b'"you"', {
        "content-type": "application/json"}), timeout=10).read()


def until(test, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if test():
            return True
        time.sleep(0.03)
    return False


def of(instance, path):
    with lock:
        return [s for s in seen if s["event"]["subject"] == instance and s["path"] == path]


def kinds(instance, path="/all", taken=True):
    return sorted({s["event"]["type"].rsplit(".", 1)[1] for s in of(instance, path)
                   if not taken or s["answer"] == 204})


def notices(status):
    r = perdure("list", "--name", "perdure.notify", "--status", status, "-o", "id")
    return r.stdout.split()


def checked():
    r = subprocess.run([f"{bin_}/perdured", *options, "--check"], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


def change(is_quiet=True, **hooks):
    """Other settings, read again; nothing is under way meanwhile, unless that is meant."""
    if is_quiet:
        until(lambda: not notices("pending,running"))
    settings(**hooks)
    count = open(f"{folder}/log").read().count(" reloaded")
    server.send_signal(signal.SIGHUP)
    until(lambda: open(f"{folder}/log").read().count(" reloaded") > count)


# ---- settings are looked at ----

settings(all="retry-first = 100ms\n")
check("--check takes a good file", checked()[0] == 0)
settings(all="colour = red\n")
code, said = checked()
check("--check names the line of a bad one", code != 0 and "webhooks:4:" in said)
settings(**{f"hook{i}": "" for i in range(65)})
code, said = checked()
check("--check refuses 65 of them", code != 0 and "more than 64 webhooks" in said)
os.chmod(f"{folder}/webhooks", 0)
if os.getuid() != 0:
    check("--check says that it cannot be read", "Permission denied" in checked()[1])
os.remove(f"{folder}/webhooks")
code, said = checked()
check("--check says that there is no file", code != 0 and "No such file" in said)

# ---- kills ----

empty = f"{folder}/empty"
os.mkdir(empty)
settings(all="retry-first = 100ms\n")
server = serve(modules=empty)  # it can make no request at all
hold = subprocess.Popen([worker, hub], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
try:
    perdure("start", "Greet", "--id", "early", "--input", '"you"')
    perdure("wait", "early", "--timeout", "20s")
    stop(server)
    check("no request has been made", not seen)
    server = serve()
    check("killed between the commit and the first request, both are told",
          until(lambda: kinds("early") == ["completed", "started"]))

    script["/all"] = ["hold"]
    perdure("start", "Greet", "--id", "under", "--input", '"you"')
    until(lambda: len(of("under", "/all")) == 2)
    stop(server)
    script["/all"] = [204]
    let_go.set()
    server = serve()
    check("killed during a request, it is made again",
          until(lambda: kinds("under") == ["completed", "started"] and
                len(of("under", "/all")) == 4))
    check("with the same two ids", len({s["id"] for s in of("under", "/all")}) == 2)
    let_go.clear()

    change(all="retry-first = 2s\n")
    script["/all"] = [503]
    perdure("start", "Greet", "--id", "wait", "--input", '"you"')
    until(lambda: len(of("wait", "/all")) == 2)
    time.sleep(0.3)  # the timer is durable
    stop(server)
    first = max(s["at"] for s in of("wait", "/all"))
    script["/all"] = [204]
    server = serve()
    check("killed while it waits for the next attempt, that comes",
          until(lambda: kinds("wait") == ["completed", "started"]))
    check("at its time", min(s["at"] for s in of("wait", "/all") if s["answer"] == 204)
          - first >= 1.2)
    check("and with the same ids", len({s["id"] for s in of("wait", "/all")}) == 2)

    random.seed(7)
    change(all="retry-first = 100ms\n")
    started = []
    for i in range(12):
        try:
            post("Greet", f"any{i}")
            started.append(f"any{i}")
        except OSError:
            pass
        time.sleep(random.random() * 0.06)
        stop(server)
        server = serve()
    check("killed at any moment, all that was started is told", until(
        lambda: all(kinds(i) == ["completed", "started"] for i in started), 40))
    check("each change under one id", all(len({s["id"] for s in of(i, "/all")}) == 2
                                          for i in started))

    # ---- what receivers do ----

    def told(id, path, name="Greet", input='"you"'):
        perdure("start", name, "--id", id, "--input", input)
        return path

    change(picky="events = completed\nretry-first = 100ms\n",
             moved="events = completed\nretry-first = 100ms\n",
             gone="events = completed\nretry-first = 100ms\n",
             never="events = completed\nretry-first = 100ms\ngive-up = 1s\nnames = Echo\n",
             flood="events = completed\nretry-first = 100ms\nnames = Echo\n")
    script.update({"/picky": ["later", 204], "/moved": ["elsewhere", 204], "/gone": [410],
                   "/never": [500], "/flood": ["endless", 204]})
    perdure("start", "Greet", "--id", "odd", "--input", '"you"')
    check("one that asks for time gets it",
          until(lambda: len(of("odd", "/picky")) == 2) and
          of("odd", "/picky")[1]["at"] - of("odd", "/picky")[0]["at"] >= 1.9)
    check("a redirection is followed by nobody, and tried again",
          until(lambda: kinds("odd", "/moved") == ["completed"]) and
          not any(s["path"] == "/elsewhere" for s in seen))
    check("one that is gone fails", until(lambda: len(notices("failed")) == 1))
    check("and was asked when it was told, and when it was given up",
          len(of("odd", "/gone")) == 2)
    script["/gone"] = [204]
    perdure("rewind", notices("failed")[0])
    check("a rewind tells it", until(lambda: kinds("odd", "/gone") == ["completed"]))
    check("under the same id", len({s["id"] for s in of("odd", "/gone")}) == 1)
    check("and nothing has failed any more", until(lambda: not notices("failed")))

    perdure("start", "Echo", "--id", "loud", "--input", "1")
    check("an endless answer is broken off, and tried again",
          until(lambda: kinds("loud", "/flood") == ["completed"]))
    check("what nobody takes is given up", until(lambda: len(notices("failed")) == 1, 30))
    count = len(of("loud", "/never"))
    check("after some attempts", 3 <= count <= 8)
    time.sleep(1)
    check("and is left alone", len(of("loud", "/never")) == count)
    check("its history is no longer for it", 0 < len(perdure(
        "history", notices("failed")[0], "-o", "jsonl").stdout.splitlines()) < 10)
    script["/never"] = [204]
    perdure("rewind", notices("failed")[0])
    check("a rewind of what was given up tells it",
          until(lambda: kinds("loud", "/never") == ["completed"]))
    check("once more, and under its id", len({s["id"] for s in of("loud", "/never")}) == 1)

    # ---- settings change ----

    change(old="retry-first = 100ms\n")
    script["/old"] = [503]
    perdure("start", "Greet", "--id", "left", "--input", '"you"')
    until(lambda: len(of("left", "/old")) >= 4)
    change(is_quiet=False, new="")
    check("deliveries of a webhook that is not there any more fail",
          until(lambda: len(notices("failed")) == 2))
    count = len(of("left", "/old"))
    time.sleep(0.5)
    check("without another request", len(of("left", "/old")) == count)
    change(new="colour = red\n")
    perdure("start", "Greet", "--id", "after", "--input", '"you"')
    check("a file that is wrong changes nothing",
          until(lambda: kinds("after", "/new") == ["completed", "started"]))
    check("and is in the log with its line", "webhooks:4:" in open(f"{folder}/log").read())
    settings(old="")
    script["/old"] = [204]
    server.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    for id in notices("failed"):
        perdure("rewind", id)
    check("one that is there again can have what was left",
          until(lambda: kinds("left", "/old") == ["completed", "started"]))

    # ---- what instances do ----

    change(all="")
    need = f"{folder}/need"
    perdure("start", "Needy", "--id", "back", "--input", json.dumps(need))
    check("what fails is told", until(lambda: kinds("back") == ["failed", "started"]))
    open(need, "w").close()
    perdure("rewind", "back")
    check("and, rewound, what it comes to, but no second start",
          until(lambda: kinds("back") == ["completed", "failed", "started"]) and
          len({s["id"] for s in of("back", "/all")}) == 3)
    perdure("start", "Greet", "--id", "twice", "--input", '"you"')
    until(lambda: len(of("twice", "/all")) == 2)
    perdure("start", "Greet", "--id", "twice", "--input", '"you"', "--if-exists", "replace-ended")
    check("another one of the same ID is told with other ids",
          until(lambda: len({s["id"] for s in of("twice", "/all")}) == 4))
    perdure("start", "Family", "--id", "top", "--input", '"Echo"')
    check("children are told, with their parent",
          until(lambda: kinds("top:a") == ["completed", "started"]) and
          all(s["event"]["data"]["parentId"] == "top" for s in of("top:a", "/all")))
    perdure("start", "Ask", "--id", "purged")
    until(lambda: kinds("purged") == ["started"])
    change(all="retry-first = 100ms\n")
    script["/all"] = [503, 503, 204]
    perdure("terminate", "purged")
    perdure("purge", "purged", "--yes")
    check("the end of what is purged meanwhile is told",
          until(lambda: kinds("purged") == ["started", "terminated"]))
    perdure("entity", "signal", "counter", "one", "add", "1")
    time.sleep(0.3)
    check("entities are told to nobody", not any(s["event"]["subject"].startswith("@") for s in seen))
    check("and Perdure's own neither", not any(
        s["event"].get("data", {}).get("name", "").startswith("perdure.") for s in seen))

    # ---- nobody else waits ----

    change(dead="events = completed\n", honest="events = completed\n")
    script["/dead"] = ["hold"]
    let_go.clear()
    for i in range(60):
        post("Greet", f"many{i}")
    check("beside a receiver that does not answer all others are told",
          until(lambda: all(kinds(f"many{i}", "/honest") for i in range(60))))
    check("which has sixteen requests at most, and as many", until(
        lambda: open_now.get("/dead", 0) == 16) and open_most["/dead"] == 16)
    let_go.set()
    check("and all the rest once it answers",
          until(lambda: len({s["id"] for s in seen if s["path"] == "/dead"}) == 60))
    check("still sixteen at a time", open_most["/dead"] == 16)
    check("every request was signed for this second", all(s["good"] for s in seen
                                                           if s["id"] != "GET"))
    stored = b"".join(open(f"{folder}/{n}", "rb").read() for n in os.listdir(folder)
                      if n in ("faults.db", "faults.db-wal"))
    check("no secret, signature, or URL is in the store, nor in the log", not any(
        w in text for w in [key, base64.b64encode(key), b"v1,"]
        for text in [stored, open(f"{folder}/log", "rb").read()])
        and f"127.0.0.1:{port}".encode() not in stored)
finally:
    hold.stdin.close()
    stop(server, signal.SIGTERM)
if failed:
    print(open(f"{folder}/log").read()[-3000:])
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
