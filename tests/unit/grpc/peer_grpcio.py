# SPDX-License-Identifier: MIT
"""An independent client (Debian's python3-grpcio) against the rig: python3 peer_grpcio.py PORT"""
import sys
import threading
import time

try:
    import grpc
except ImportError:
    print("python3-grpcio is not installed")
    sys.exit(77)

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1], options=OPTIONS)


def unary(name, **more):
    return channel.unary_unary("/rig.Rig/" + name, **more)


def fails(code, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError("no error, %s was expected" % code)


def echo_of_every_size():
    echo = unary("Echo")
    for size in (0, 1, 5, 1000, 16383, 16384, 16385, 100000, 1 << 20, (1 << 20) + 1, 20 << 20):
        message = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
        message = message[:size]
        assert echo(message, timeout=20) == message, size


def echo_of_gzip():
    echo = unary("Echo")
    message = b"compress me " * 10000
    assert echo(message, compression=grpc.Compression.Gzip, timeout=5) == message
    fails(grpc.StatusCode.UNIMPLEMENTED, echo, message, compression=grpc.Compression.Deflate,
          timeout=5)


def statuses_and_texts():
    echo = unary("Echo")
    for code in grpc.StatusCode:
        number = code.value[0]
        if number == 0:
            continue
        text = "no: 100% of it, \u00e4\u20ac\U0001f600\n\ttab"
        error = fails(code, echo, b"x", timeout=5,
                      metadata=[("x-status", str(number)), ("x-say-hex", text.encode().hex())])
        assert error.details() == text, error.details()


def status_details():
    echo = unary("Echo")
    for size in (1, 2, 3, 127, 128, 200, 255):
        text = b"t" * size
        error = fails(grpc.StatusCode.NOT_FOUND, echo, b"x", timeout=5,
                      metadata=[("x-status", "5"), ("x-say-hex", text.hex())])
        length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin")
        assert details == b"\x08\x05\x12" + length + text, (size, details)


def unknown_methods():
    fails(grpc.StatusCode.UNIMPLEMENTED, unary("Nothing"), b"", timeout=5)
    fails(grpc.StatusCode.UNIMPLEMENTED, channel.unary_unary("/other.Service/Echo"), b"",
          timeout=5)
    for _ in range(20):  # what nobody reads must not fill the connection's window
        fails(grpc.StatusCode.UNIMPLEMENTED, unary("Nothing"), b"x" * 1000000, timeout=20)
    assert unary("Echo")(b"y" * 1000000, timeout=20) == b"y" * 1000000


def deadlines():
    began = time.monotonic()
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, unary("Never"), b"", timeout=0.3)
    assert 0.25 < time.monotonic() - began < 2
    assert unary("Later")(b"later", timeout=5) == b"later"


def cancellation():
    future = unary("Never").future(b"")
    time.sleep(0.2)
    future.cancel()
    fails_cancelled = future.code()
    assert fails_cancelled == grpc.StatusCode.CANCELLED, fails_cancelled


def server_streams():
    count = channel.unary_stream("/rig.Rig/Count")
    for number, size in ((0, 1), (1, 1), (1000, 10), (100000, 20), (50, 300000)):
        got = list(count(str(number).encode(), timeout=60, metadata=[("x-size", str(size))]))
        assert len(got) == number, (len(got), number)
        assert all(len(m) == size for m in got)
    stream = channel.unary_stream("/rig.Rig/Watch")(b"")
    assert next(stream) == b"hello"
    stream.cancel()


def both_streams():
    talk = channel.stream_stream("/rig.Rig/Talk")
    messages = [b"", b"a", b"b" * 70000, b"c" * 3000000] + [str(i).encode() for i in range(5000)]
    assert list(talk(iter(messages), timeout=60)) == messages
    go_on = threading.Event()

    def one_by_one():
        yield b"first"
        go_on.wait()
        yield b"second"

    answers = talk(one_by_one(), timeout=10)
    assert next(answers) == b"first"
    go_on.set()
    assert next(answers) == b"second"
    assert list(answers) == []


def many_at_once():
    futures = [unary("Later").future(str(i).encode(), timeout=30) for i in range(2000)]
    assert [int(f.result()) for f in futures] == list(range(2000))


TESTS = [echo_of_every_size, echo_of_gzip, statuses_and_texts, status_details, unknown_methods, deadlines,
         cancellation, server_streams, both_streams, many_at_once]
for test in TESTS:
    if len(sys.argv) < 3 or test.__name__ == sys.argv[2]:
        test()
        print("grpcio:", test.__name__)
