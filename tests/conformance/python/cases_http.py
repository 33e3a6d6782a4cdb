# SPDX-License-Identifier: MIT
"""HTTP calls by the names that SDKs have for them, made by perdured, which has to allow 127.0.0.1
(test_python.sh does): what the compatibility layer of this SDK schedules, without its own worker
functions."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import case, completed, equal, failed, orchestrator

asked = []


class Scripted(BaseHTTPRequestHandler):
    """/KEY/202-200: the first request to a path gets the first status, the last one for ever."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        before = [each for each in asked if each[1] == self.path]
        asked.append((self.command, self.path, dict(self.headers), body))
        statuses = self.path.split("/")[2].split("-")
        status = int(statuses[min(len(before), len(statuses) - 1)])
        self.send_response(status)
        if status == 202:
            self.send_header("Location", self.path)
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
home = f"http://127.0.0.1:{server.server_port}"


@orchestrator
def http_poll(ctx, request):
    return (yield ctx.call_sub_orchestrator("BuiltIn__HttpPollOrchestrator", input=request))


@orchestrator
def http_once(ctx, request):
    return (yield ctx.call_activity("BuiltIn__HttpActivity", input=request))


@case("http 8.5")
def http_a_202_is_polled_to_its_end(t):
    path = f"/{t.id()}/202-202-200"
    began = time.monotonic()
    answer = completed(t.run("http_poll", {
        "method": "POST", "uri": home + path, "content": "\"abc\"",
        "headers": {"Content-Type": "application/json", "x-functions-key": "k"}}))
    equal(answer["statusCode"], 200)
    equal(answer["content"], "ok")
    equal(time.monotonic() - began > 1.9, True)
    mine = [each for each in asked if each[1] == path]
    equal([each[0] for each in mine], ["POST", "GET", "GET"])
    equal(mine[0][3], b"\"abc\"")
    equal(["x-functions-key" in {name.lower() for name in each[2]} for each in mine],
          [True, False, False])


@case("http 8.1, 8.2")
def http_one_request_is_an_activity(t):
    answer = completed(t.run("http_once", {"method": "GET", "uri": f"{home}/{t.id()}/404"}))
    equal(answer["statusCode"], 404)
    equal(answer["effectiveUri"], f"{home}/{t.id()}/404")


@case("http 3.4")
def http_no_connection_fails_the_step(t):
    failed(t.run("http_poll", {"method": "GET", "uri": "http://127.0.0.1:1/"}))
