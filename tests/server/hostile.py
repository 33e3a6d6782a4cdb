# SPDX-License-Identifier: MIT
"""Attacks a perdured with the sockets' bytes, while an honest client goes on calling.

python3 hostile.py PORT PID: each attack is a line, "N passed, N failed" the last one."""
import random
import resource
import socket
import struct
import sys
import threading
import time

try:
    import grpc
except ImportError:
    print("python3-grpcio is not installed")
    sys.exit(77)

PORT, PID = int(sys.argv[1]), sys.argv[2]
HUB = "/TaskHubSidecarService/"
UNARY = """Hello StartInstance GetInstance RewindInstance RestartInstance WaitForInstanceStart
WaitForInstanceCompletion RaiseEvent TerminateInstance SuspendInstance ResumeInstance QueryInstances
ListInstanceIds PurgeInstances CompleteActivityTask CompleteOrchestratorTask CompleteEntityTask
CreateTaskHub SignalEntity GetEntity QueryEntities CleanEntityStorage AbandonTaskActivityWorkItem
AbandonTaskOrchestratorWorkItem AbandonTaskEntityWorkItem SkipGracefulOrchestrationTerminations""".split()
STREAMS = ["GetWorkItems", "StreamInstanceHistory"]


def rss():
    for line in open("/proc/%s/status" % PID):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the server has ended")


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def call(stream, name, message=b""):
    block = (field(b":method", b"POST") + field(b":scheme", b"http") +
             field(b":path", (HUB + name).encode()) + field(b":authority", b"x") +
             field(b"content-type", b"application/grpc") + field(b"te", b"trailers"))
    body = b"\0" + struct.pack(">I", len(message)) + message
    return frame(1, 4, stream, block) + frame(0, 1, stream, body)


def dial():
    s = socket.create_connection(("127.0.0.1", PORT))
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    return s


def hung_up_on(s, seconds=30):
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
    except socket.timeout:
        return False
    except OSError:
        pass
    return True


def sends_until_refused(s, pieces):
    try:
        for piece in pieces:
            s.sendall(piece)
    except OSError:
        pass


class Honest(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.calls, self.failures, self.slowest = False, 0, [], 0
        self.channel = grpc.insecure_channel("127.0.0.1:%d" % PORT)

    def run(self):
        hello = self.channel.unary_unary(HUB + "Hello")
        while not self.over:
            began = time.monotonic()
            try:
                hello(b"", timeout=20)
                self.calls += 1
            except grpc.RpcError as error:
                self.failures.append(error.code())
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.002)


def rapid_reset_of_work_streams():
    s = dial()
    reset = struct.pack(">I", 8)
    sends_until_refused(s, (call(i, "GetWorkItems") + frame(3, 0, i, reset)
                            for i in range(1, 40000, 2)))
    assert hung_up_on(s)


def floods():
    for kind, body in ((6, b"12345678"), (4, b"\0\4\0\0\xff\xff")):
        s = dial()
        sends_until_refused(s, (frame(kind, 0, 0, body) for _ in range(50000)))
        assert hung_up_on(s)


def endless_headers():
    s = dial()
    sends_until_refused(s, [frame(1, 1, 1, field(b"x", b"y"))])
    sends_until_refused(s, (frame(9, 0, 1, field(b"x", b"y" * 100)) for _ in range(50000)))
    assert hung_up_on(s)


def workers_that_do_not_read():
    before = rss()
    sockets = [dial() for _ in range(20)]
    for s in sockets:
        for i in range(1, 200, 2):
            s.sendall(call(i, "GetWorkItems"))
    time.sleep(1)
    grown = rss() - before
    print("  2,000 streams of workers that do not read: %d bytes each" % (grown / 2000))
    assert grown < 20 * 1024 * 1024
    for s in sockets:
        s.close()


def nonsense_for_every_call():
    """What the dispatcher is given: nothing, noise, and strings of every field number."""
    channel = grpc.insecure_channel("127.0.0.1:%d" % PORT)
    chance = random.Random(5)

    def noise():
        how = chance.randrange(4)
        if how == 0:
            return bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
        out = b""
        for _ in range(chance.randrange(6)):
            number = chance.randrange(1, 16)
            if chance.randrange(3) == 0:
                out += bytes([number << 3, chance.randrange(128)])
            else:
                text = bytes(chance.choice(b"\x0a\x02ab@/\xff\0") for _ in range(chance.randrange(20)))
                out += bytes([number << 3 | 2, len(text)]) + text
        return out

    codes = {}
    for name in UNARY + STREAMS:
        for _ in range(60):
            try:
                if name in STREAMS:
                    list(channel.unary_stream(HUB + name)(noise(), timeout=0.05))
                else:
                    channel.unary_unary(HUB + name)(noise(), timeout=0.5)
                code = grpc.StatusCode.OK
            except grpc.RpcError as error:
                code = error.code()
            codes[code] = codes.get(code, 0) + 1
            if name.startswith("WaitFor") and code == grpc.StatusCode.DEADLINE_EXCEEDED:
                break
    print("  %s" % ", ".join("%s %d" % (c.name, n) for c, n in sorted(codes.items(), key=str)))
    bad = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS,
           grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert not bad & set(codes), bad & set(codes)


def idle_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10000, hard - 100)
    before = rss()
    sockets = [dial() for _ in range(count)]
    time.sleep(2)
    each = (rss() - before) / count
    print("  %d idle connections: %d bytes of the process each" % (count, each))
    assert each < 64 * 1024
    for s in sockets:
        s.close()


honest = Honest()
honest.start()
failed = 0
ATTACKS = [rapid_reset_of_work_streams, floods, endless_headers, workers_that_do_not_read,
           nonsense_for_every_call, idle_connections]
for attack in ATTACKS:
    before, honest.slowest, honest.failures = honest.calls, 0, []
    try:
        attack()
        time.sleep(0.3)
        assert honest.calls > before, "the honest client was not served"
        assert not honest.failures, honest.failures[:3]
        assert honest.slowest < 10, honest.slowest
        print("ok   %s" % attack.__name__)
    except (AssertionError, OSError) as error:
        failed += 1
        print("FAIL %s: %r" % (attack.__name__, error))
honest.over = True
honest.join()
print("%d passed, %d failed" % (len(ATTACKS) - failed, failed))
sys.exit(1 if failed else 0)
