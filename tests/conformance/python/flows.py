# SPDX-License-Identifier: MIT
"""Orchestrations that go through everything durable, for the programs whose server or worker is
killed: FLOWS[kind](n) is the input, what is sent meanwhile, and what it must answer."""

import time
from datetime import timedelta

from durabletask.task import RetryPolicy, when_all

from harness import EntityInstanceId, activity, entity, orchestrator


@activity
def slow_plus(_, both):
    time.sleep(0.02)
    return both[0] + both[1]


@orchestrator
def flow_chain(ctx, n):
    for i in range(1, 6):
        n = yield ctx.call_activity("slow_plus", input=[n, i])
    return n


@orchestrator
def flow_fan(ctx, n):
    return sum((yield when_all([ctx.call_activity("slow_plus", input=[n, i]) for i in range(10)])))


@orchestrator
def flow_timer(ctx, n):
    for _ in range(3):
        yield ctx.create_timer(timedelta(seconds=0.3))
    return (yield ctx.call_activity("slow_plus", input=[n, 1]))


@orchestrator
def flow_child(ctx, given):
    n, depth = given
    if depth == 0:
        return (yield ctx.call_activity("slow_plus", input=[n, 0]))
    return sum((yield when_all([ctx.call_sub_orchestrator("flow_child", input=[n + i, depth - 1])
                                for i in range(2)])))


@orchestrator
def flow_event(ctx, n):
    first = yield ctx.wait_for_external_event(f"first-{n}")
    yield ctx.call_activity("slow_plus", input=[n, 0])
    second = yield ctx.wait_for_external_event(f"second-{n}")
    return [first, second]


@orchestrator
def flow_generations(ctx, given):
    n = yield ctx.call_activity("slow_plus", input=[given[0], 1])
    if given[1] > 1:
        ctx.continue_as_new([n, given[1] - 1], save_events=True)
        return None
    return n


@orchestrator
def flow_entity(ctx, n):
    key = EntityInstanceId("sums", f"total-{n % 3}")
    answers = []
    for _ in range(3):
        answers.append((yield ctx.call_entity(key, "add", 1)))
    return "rising" if answers == sorted(set(answers)) else answers


@orchestrator
def flow_lock(ctx, n):
    keys = [EntityInstanceId("sums", f"locked-{key}") for key in "ab"]
    with (yield ctx.lock_entities(keys if n % 2 else keys[::-1])):
        before = yield ctx.call_entity(keys[0], "get")
        yield ctx.create_timer(timedelta(seconds=0.01))
        yield ctx.call_entity(keys[1], "add", 1)
        after = yield ctx.call_entity(keys[0], "add", 1)
    return after - before


@activity
def fails_for_a_while(_, began):
    if time.time() < began + 0.15:
        raise RuntimeError("too early")
    return "late enough"


@orchestrator
def flow_retry(ctx, n):
    began = (ctx.current_utc_datetime - type(ctx.current_utc_datetime)(1970, 1, 1)).total_seconds()
    policy = RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=20)
    return [n, (yield ctx.call_activity("fails_for_a_while", input=began, retry_policy=policy))]


@entity
def sums(ctx, given):
    state = ctx.get_state(int, 0)
    if ctx.operation == "add":
        state += given
        ctx.set_state(state)
    return state


@entity
def seen(ctx, item):
    state = ctx.get_state(dict, {})
    state[item] = state.get(item, 0) + 1
    ctx.set_state(state)


# kind -> n -> (input, output, events)
FLOWS = {
    "flow_chain": lambda n: (n, n + 15, []),
    "flow_fan": lambda n: (n, 10 * n + 45, []),
    "flow_timer": lambda n: (n, n + 1, []),
    "flow_child": lambda n: ([n, 2], 4 * n + 4, []),
    "flow_event": lambda n: (n, [f"f{n}", f"s{n}"],
                             [(f"first-{n}", f"f{n}"), (f"second-{n}", f"s{n}")]),
    "flow_generations": lambda n: ([n, 6], n + 6, []),
    "flow_entity": lambda n: (n, "rising", []),
    "flow_lock": lambda n: (n, 1, []),
    "flow_retry": lambda n: (n, [n, "late enough"], []),
}
