# SPDX-License-Identifier: MIT
"""Entities as functions and as classes, delayed signals, failures, locks."""

from datetime import datetime, timedelta, timezone

from durabletask.task import when_all

from harness import (
    DurableEntity, EntityInstanceId, Status, case, completed, entity, equal, failed, orchestrator,
    task, time, until)


def soon(seconds):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def becomes(t, key, wanted, seconds=10):
    try:
        until(lambda: t.entity_state(key) == wanted, seconds)
    except AssertionError:
        equal(t.entity_state(key), wanted)


@orchestrator
def calls(ctx, steps):
    answers = []
    for to, operation, given in steps:
        answers.append((yield ctx.call_entity(EntityInstanceId.parse(to), operation, given)))
    return answers


def call(t, key, operation, given=None):
    return t.run("calls", [[str(key), operation, given]])


@case("6.3 entities function: client signals, state")
def an_entity_function_is_signalled(t):
    key = EntityInstanceId("counter", t.id())
    for n in (1, 2, 3):
        t.client.signal_entity(key, "add", n)
    becomes(t, key, 6)
    found = t.entity(key)
    equal(str(found.id), str(key))
    equal(found.get_state(int), 6)
    equal(t.client.get_entity(key, include_state=False).get_state(), None)
    assert abs(found.last_modified - datetime.now(timezone.utc)) < timedelta(minutes=1)


@case("6.3 entities function: get missing: None")
def a_missing_entity_is_none(t):
    equal(t.entity(EntityInstanceId("counter", t.id())), None)


@case("6.3 entities function: orchestration calls")
def an_entity_function_is_called(t):
    key = str(EntityInstanceId("counter", t.id()))
    steps = [[key, "add", n] for n in (1, 2, 3)] + [[key, "get", None]]
    completed(t.run("calls", steps), [1, 3, 6, 6])


@case("6.3 entities class: calls, signals")
def an_entity_class_is_called_and_signalled(t):
    key = EntityInstanceId("Journal", t.id())
    completed(t.run("calls", [[str(key), "append", "a"], [str(key), "append", {"b": 1}],
                              [str(key), "list", None]]), [1, 2, ["a", {"b": 1}]])
    t.client.signal_entity(key, "append", "c")
    becomes(t, key, ["a", {"b": 1}, "c"])


@orchestrator
def signals(ctx, given):
    key = EntityInstanceId.parse(given["to"])
    for i in range(given["n"]):
        ctx.signal_entity(key, "append", i)
    return (yield ctx.call_entity(key, "list"))


@case("6.3 entities function: orchestration signals")
def signals_and_calls_keep_their_order(t):
    key = EntityInstanceId("journal", t.id())
    completed(t.run("signals", {"to": str(key), "n": 20}), list(range(20)))


@case("6.2 rapid signals; FIFO")
def rapid_signals_come_in_order(t):
    key = EntityInstanceId("journal", t.id())
    for i in range(100):
        t.client.signal_entity(key, "append", i)
    becomes(t, key, list(range(100)), 15)


@case("6.3 entities: several orchestrations")
def several_orchestrations_call_one_entity(t):
    key = str(EntityInstanceId("counter", t.id()))
    runs = [t.start("calls", [[key, "add", 1]] * 5) for _ in range(10)]
    seen = [n for one in runs for n in completed(t.done(one))]
    equal(sorted(seen), list(range(1, 51)))


@case("6.3 entities: delete and re-create")
def an_entity_is_deleted(t):
    key = EntityInstanceId("counter", t.id())
    completed(call(t, key, "add", 4), [4])
    completed(call(t, key, "remove"))
    until(lambda: t.entity(key) is None, 5)
    completed(call(t, key, "add", 1), [1])
    journal = EntityInstanceId("journal", t.id())
    completed(call(t, journal, "append", 1), [1])
    completed(call(t, journal, "delete"))
    until(lambda: t.entity(journal) is None, 5)


@entity
def sender(ctx, given):
    if ctx.operation == "forward":
        for i in range(given["n"]):
            ctx.signal_entity(EntityInstanceId.parse(given["to"]), "append", i)
        ctx.set_state("forwarded")
    elif ctx.operation == "later":
        at = soon(given["seconds"])
        ctx.signal_entity(EntityInstanceId.parse(given["to"]), "append", "late", signal_time=at)
    elif ctx.operation == "launch":
        return ctx.schedule_new_orchestration(given["name"], given["input"],
                                              instance_id=given.get("id"))
    elif ctx.operation == "send_and_fail":
        ctx.signal_entity(EntityInstanceId.parse(given["to"]), "append", "must not arrive")
        raise RuntimeError("after sending")


class Launcher(DurableEntity):
    def launch(self, given):
        self.set_state("launched")
        return self.schedule_new_orchestration(given["name"], given["input"])

    def forward(self, given):
        self.signal_entity(EntityInstanceId.parse(given["to"]), "append", given["item"])


entity(Launcher)


@case("6.3 entities function: entity signals entity; the worker stops right afterwards")
def an_entity_signals_an_entity(t):
    hub = t.hub()
    worker = hub.worker()
    to = EntityInstanceId("journal", "x")
    hub.client.signal_entity(EntityInstanceId("sender", "x"), "forward", {"to": str(to), "n": 5})
    until(lambda: hub.entity_state(to) == list(range(5)))
    worker.stop()
    hub.workers.remove(worker)
    equal(hub.entity_state(EntityInstanceId("sender", "x")), "forwarded")


@case("6.3 entities class: entity signals entity")
def an_entity_class_signals_an_entity(t):
    to = EntityInstanceId("journal", t.id())
    key = EntityInstanceId("Launcher", t.id())
    t.client.signal_entity(key, "forward", {"to": str(to), "item": "from a class"})
    becomes(t, to, ["from a class"])


@case("6.3 entities: entity starts orchestration")
def an_entity_starts_an_orchestration(t):
    for name in ("sender", "Launcher"):
        key = EntityInstanceId(name, t.id())
        [started] = completed(call(t, key, "launch", {"name": "add_one", "input": 41}))
        completed(t.done(started), 42)
    own = {"name": "add_one", "input": 1, "id": t.id("own")}
    completed(call(t, EntityInstanceId("sender", t.id()), "launch", own), [t.id("own")])
    completed(t.done(t.id("own")), 2)


@case("4.5 rollback of a failing operation")
def a_failing_operation_takes_all_back(t):
    to = EntityInstanceId("journal", t.id())
    failed(call(t, EntityInstanceId("sender", t.id()), "send_and_fail", {"to": str(to)}),
           "after sending")
    completed(call(t, to, "append", "mine"), [1])
    equal(t.entity_state(to), ["mine"])
    failed(call(t, to, "fail", "a key"))
    equal(t.entity_state(to), ["mine"])


@case("6.3 delayed: client", slow=5)
def a_delayed_signal_comes_at_its_time(t):
    key = EntityInstanceId("counter", t.id())
    t.client.signal_entity(key, "add", 1, signal_time=soon(4))
    time.sleep(3)
    equal(t.entity(key), None)
    becomes(t, key, 1, 5)


@case("6.3 delayed: entity", slow=4)
def a_delayed_signal_of_an_entity(t):
    to = EntityInstanceId("journal", t.id())
    at = time.time() + 3
    t.client.signal_entity(EntityInstanceId("sender", t.id()), "later",
                           {"to": str(to), "seconds": 3})
    until(lambda: t.entity(to), 10)
    assert time.time() >= at - 0.01
    becomes(t, to, ["late"])


@orchestrator
def signals_later(ctx, to):
    at = ctx.current_utc_datetime + timedelta(seconds=3)
    ctx.signal_entity(EntityInstanceId.parse(to), "append", "late", signal_time=at)
    return at.replace(tzinfo=timezone.utc).timestamp()


@case("6.3 delayed: orchestration", slow=4)
def a_delayed_signal_of_an_orchestration(t):
    to = EntityInstanceId("journal", t.id())
    at = completed(t.run("signals_later", str(to)))
    until(lambda: t.entity(to), 10)
    assert time.time() >= at, "not before its time"


@case("6.4 entities failure: unhandled fails")
def an_unhandled_failure_of_an_entity_fails(t):
    details = failed(call(t, EntityInstanceId("counter", t.id()), "fail", "unhandled"), "unhandled")
    assert details.error_type
    equal(t.entity(EntityInstanceId("counter", t.id())), None)


@orchestrator
def catches(ctx, given):
    key = EntityInstanceId.parse(given["to"])
    told = None
    try:
        yield ctx.call_entity(key, given["operation"], given["input"])
    except task.TaskFailedError as error:
        inner = error.details.inner_failure
        told = [error.details.error_type, inner.error_type, inner.message]
    return [told, (yield ctx.call_entity(key, "add", 1))]


@case("6.4 entities failure: handled completes; details")
def a_handled_failure_of_an_entity(t):
    key = str(EntityInstanceId("counter", t.id()))
    told, n = completed(t.run("catches", {"to": key, "operation": "fail", "input": "handled"}))
    assert told[0].endswith("EntityOperationFailedException"), told
    assert told[1].endswith("ValueError"), told
    equal(told[2], "handled")
    equal(n, 1)


@case("6.4 entities failure: unknown operation, unknown entity")
def unknown_operations_and_entities_fail(t):
    failed(call(t, EntityInstanceId("journal", t.id()), "no_such_operation"))
    failed(call(t, EntityInstanceId("nobody_knows", t.id()), "x"))
    equal(t.entity(EntityInstanceId("nobody_knows", t.id())), None)


@orchestrator
def locks(ctx, given):
    keys = [EntityInstanceId.parse(key) for key in given["keys"]]
    with (yield ctx.lock_entities(keys)):
        answers = []
        for key in keys:
            before = yield ctx.call_entity(key, "get")
            if given.get("pause"):
                yield ctx.create_timer(timedelta(seconds=given["pause"]))
            after = yield ctx.call_entity(key, "add", 1)
            if after != before + 1:
                raise RuntimeError(f"somebody came between: {before}, {after}")
            answers.append(after)
        if given.get("fail"):
            raise RuntimeError("inside the lock")
        if given.get("bad_call"):
            yield ctx.call_entity(EntityInstanceId("counter", "not locked"), "add", 1)
    return answers


def keys_of(t, n):
    return [str(EntityInstanceId("counter", t.id(i))) for i in range(n)]


@case("6.3 entities function: lock one, several; twice")
def entities_are_locked(t):
    completed(t.run("locks", {"keys": keys_of(t, 1)}), [1])
    completed(t.run("locks", {"keys": keys_of(t, 3)}), [2, 1, 1])
    completed(t.run("locks", {"keys": keys_of(t, 3)}), [3, 2, 2])


@case("4.7 exclusive, in any order")
def locks_are_exclusive(t):
    keys = keys_of(t, 3)
    orders = [keys, keys[::-1], keys[1:] + keys[:1]] * 2
    runs = [t.start("locks", {"keys": order, "pause": 0.02}) for order in orders]
    for one in runs:
        completed(t.done(one))
    for key in keys:
        equal(t.entity_state(EntityInstanceId.parse(key)), 6)


@case("6.3, 6.4 locks free after a throw")
def a_failure_inside_the_lock_releases_it(t):
    failed(t.run("locks", {"keys": keys_of(t, 2), "fail": True}), "inside the lock")
    completed(t.run("locks", {"keys": keys_of(t, 2)}), [2, 2])


@case("6.3 locks free after mishandling: call of an entity that is not locked")
def breaking_the_rules_of_a_lock_releases_it(t):
    failed(t.run("locks", {"keys": keys_of(t, 1), "bad_call": True}))
    completed(t.run("locks", {"keys": keys_of(t, 1)}), [2])


@orchestrator
def forgets_its_lock(ctx, given):
    yield ctx.lock_entities([EntityInstanceId.parse(key) for key in given["keys"]])
    ctx.set_custom_status("locked")
    if given.get("wait"):
        yield ctx.wait_for_external_event("go")
    if given.get("again"):
        ctx.continue_as_new({"keys": given["keys"]})
        return None
    return "forgotten"


@case("6.3 locks free after mishandling: never left; continue-as-new")
def a_lock_that_is_never_left_is_released(t):
    completed(t.run("forgets_its_lock", {"keys": keys_of(t, 2)}), "forgotten")
    completed(t.run("locks", {"keys": keys_of(t, 2)}), [1, 1])
    completed(t.run("forgets_its_lock", {"keys": keys_of(t, 2), "again": True}), "forgotten")
    completed(t.run("locks", {"keys": keys_of(t, 2)}), [2, 2])


@case("4.7 lockedBy; others wait; release on termination")
def others_wait_for_the_lock(t):
    [key] = keys_of(t, 1)
    completed(call(t, key, "add", 1), [1])
    owner = t.start("forgets_its_lock", {"keys": [key], "wait": True}, t.id("owner"))
    entity_id = EntityInstanceId.parse(key)
    until(lambda: t.entity(entity_id)._locked_by == owner)
    t.client.signal_entity(entity_id, "add", 10)
    caller = t.start("calls", [[key, "add", 100]])
    time.sleep(0.7)
    equal(t.entity_state(entity_id), 1)
    t.client.terminate_orchestration(owner)
    equal(t.done(owner).runtime_status, Status.TERMINATED)
    completed(t.done(caller), [111])
    until(lambda: not t.entity(entity_id)._locked_by)


@orchestrator
def calls_many(ctx, keys):
    return (yield when_all([ctx.call_entity(EntityInstanceId.parse(key), "add", i)
                            for i, key in enumerate(keys)]))


@case("6.3 entities: fan-out of calls")
def entities_are_called_at_once(t):
    completed(t.run("calls_many", keys_of(t, 10)), list(range(10)))


@case("6 intro: within 2 s", slow=-1)
def a_signal_is_processed_within_two_seconds(t):
    key = EntityInstanceId("counter", t.id())
    began = time.monotonic()
    t.client.signal_entity(key, "add", 1)
    until(lambda: t.entity(key), 10)
    assert time.monotonic() - began < 2
