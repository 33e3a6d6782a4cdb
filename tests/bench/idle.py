#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# How much memory connected idle workers and waiting clients take in perdured.
#
#   tests/bench/idle.py HOST:PORT PID [WORKERS] [WAITERS]     default: 10,000 and 100,000
#
# Workers are connections of their own, each with an open GetWorkItems. Waiters are calls of
# WaitForInstanceCompletion for an instance that never comes, 500 to a connection. Frames are made by
# hand, so that this process is no heavier than it must be. Prints JSON: resident bytes of the server
# before, with the workers, with the waiters too, and of each.
import json
import resource
import select
import socket
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW = 0, 1, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
WAITERS_EACH = 500


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    name, value = name.encode(), value.encode()
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call(stream, method, message):
    block = b"".join(
        literal(*h)
        for h in [
            (":method", "POST"), (":scheme", "http"), (":path", "/TaskHubSidecarService/" + method),
            (":authority", "localhost"), ("te", "trailers"), ("content-type", "application/grpc"),
        ]
    )
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)


class Connections:
    """All sockets: whatever comes is read, and pings are answered."""

    def __init__(self, address):
        self.address, self.poll, self.sockets, self.buffers = address, select.epoll(), {}, {}

    def open(self, calls):
        s = socket.create_connection(self.address)
        s.sendall(PREFACE + frame(SETTINGS, 0, 0) + b"".join(calls))
        s.setblocking(False)
        self.sockets[s.fileno()], self.buffers[s.fileno()] = s, b""
        self.poll.register(s.fileno(), select.EPOLLIN)

    def serve(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for number, _ in self.poll.poll(min(left, 0.2)):
                self.read(number)

    def read(self, number):
        s = self.sockets[number]
        data = s.recv(65536)
        if not data:
            raise SystemExit("the server closed a connection")
        data = self.buffers[number] + data
        while len(data) >= 9:
            size = int.from_bytes(data[:3], "big")
            if len(data) < 9 + size:
                break
            kind, flags = data[3], data[4]
            if kind == SETTINGS and not flags & ACK:
                s.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                s.send(frame(PING, ACK, 0, data[9:17]))
            data = data[9 + size:]
        self.buffers[number] = data


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    pid = int(sys.argv[2])
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
    waiters = int(sys.argv[4]) if len(sys.argv) > 4 else 100000
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    all_of = Connections((host, int(port)))
    before = resident(pid)
    for i in range(workers):
        all_of.open([call(1, "GetWorkItems", b"")])
        if i % 200 == 199:
            all_of.serve(0.01)
    all_of.serve(3)
    with_workers = resident(pid)
    for i in range(0, waiters, WAITERS_EACH):
        calls = [
            call(2 * k + 1, "WaitForInstanceCompletion", b"\x0a\x0b" + b"never-%05d" % k)
            for k in range(min(WAITERS_EACH, waiters - i))
        ]
        all_of.open(calls)
        all_of.serve(0.02)
    all_of.serve(3)
    with_waiters = resident(pid)
    print(json.dumps({
        "workers": workers, "waiters": waiters, "bytesBefore": before, "bytesWithWorkers": with_workers,
        "bytesWithWaiters": with_waiters,
        "bytesPerWorker": (with_workers - before) // max(workers, 1),
        "bytesPerWaiter": (with_waiters - with_workers) // max(waiters, 1),
    }))


main()
