# SPDX-License-Identifier: MIT
"""python killed_server.py HOST:PORT [SECONDS]   while somebody kills the server again and again:
whatever was acknowledged (starts, events, signals) ends, with the right output, once. A call that
got UNAVAILABLE is repeated; a start is made with a policy that replaces nothing, so that its
repetition is ALREADY_EXISTS; a signal that was repeated may count more than once, one that was
acknowledged at the first attempt counts exactly once."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask.grpc_options import GrpcChannelOptions, GrpcWorkerResiliencyOptions

from harness import RUN, EntityInstanceId, Hub, completed, equal, json, leave
from flows import FLOWS

QUICK = GrpcChannelOptions(raw_options=[("grpc.initial_reconnect_backoff_ms", 100),
                                        ("grpc.max_reconnect_backoff_ms", 1000)])
hub = Hub(sys.argv[1], "default", channel_options=QUICK)
repeated = []


def again(what):
    """Repeats what() while the server is away; answers its result and how often it was tried."""
    attempts = 0
    while True:
        attempts += 1
        try:
            return what(), attempts
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.ALREADY_EXISTS and attempts > 1:
                return None, attempts
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            repeated.append(1)
            time.sleep(0.1)


def one(kind, n):
    instance = f"{RUN}-{kind}-{n}"
    given, output, events = FLOWS[kind](n)
    again(lambda: hub.start(kind, given, instance, reuse_id_policy=pb.OrchestrationIdReusePolicy()))
    for name, data in events:
        again(lambda name=name, data=data: hub.raises(instance, name, data))
    state, _ = again(lambda: hub.done(instance, timeout=120))
    completed(state, output)


def say(name, good, why):
    print(f"ok {name}" if good else f"FAILED {name}: {why}", flush=True)
    return good


def main(seconds):
    hub.worker(channel_options=QUICK, resiliency_options=GrpcWorkerResiliencyOptions(
        hello_timeout_seconds=5.0, reconnect_backoff_base_seconds=0.2,
        reconnect_backoff_cap_seconds=1.0))
    pool, runs, signals, n = ThreadPoolExecutor(800), [], {}, 0
    journal = EntityInstanceId("seen", RUN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        runs += [(kind, n, pool.submit(one, kind, n)) for kind in FLOWS]
        signals[f"s{n}"] = pool.submit(
            lambda n=n: again(lambda: hub.client.signal_entity(journal, "see", f"s{n}"))[1])
        n += 1
        time.sleep(0.2)
    good, errors = True, {kind: [] for kind in FLOWS}
    for kind, number, run in runs:
        try:
            run.result()
        except Exception as error:  # noqa: BLE001
            errors[kind].append(f"{number}: {error}")
    for kind, told in errors.items():
        name = f"kill-the-server-and-{kind.replace('_', '-')}-ends"
        good &= say(name, not told, f"{len(told)} of {n}; {'; '.join(told[:3])}")

    def state(key):
        return again(lambda: hub.entity_state(key))[0]

    total = sum(state(EntityInstanceId("sums", f"total-{i}")) or 0 for i in range(3))
    good &= say("kill-the-server-and-every-call-of-an-entity-counts-once", total == 3 * n,
                f"{total} of {3 * n}")
    locked = [state(EntityInstanceId("sums", f"locked-{key}")) for key in "ab"]
    good &= say("kill-the-server-and-locks-are-exclusive", locked == [n, n], f"{locked} of {n}")
    tried = {item: future.result() for item, future in signals.items()}
    for _ in range(50):
        got = state(journal) or {}
        if all(item in got for item in tried):
            break
        time.sleep(0.1)
    wrong = [(item, times, got.get(item)) for item, times in tried.items()
             if not 1 <= got.get(item, 0) <= times]
    good &= say("kill-the-server-and-every-signal-counts-once", not wrong, json.dumps(wrong[:3]))
    equal(len(tried), n)
    print(f"     {len(runs)} orchestrations, {len(repeated)} calls repeated")
    leave(good)


main(float(sys.argv[2]) if len(sys.argv) > 2 else 12)
