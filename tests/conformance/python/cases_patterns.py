# SPDX-License-Identifier: MIT
"""Chains, fan-out, sub-orchestrations, timers, events, retries, continue-as-new, status."""

from datetime import datetime, timedelta, timezone

import grpc
from durabletask.task import RetryPolicy, when_all, when_any

from harness import (
    Status, activity, bump, case, completed, count, equal, failed, json, orchestrator, raises,
    task, time, until)


@case("6.3 orchestration_e2e: empty")
def an_empty_orchestration_completes(t):
    state = t.run("empty")
    completed(state, "done")
    equal(state.name, "empty")
    equal(state.serialized_input, None)
    equal(state.serialized_custom_status, None)
    equal(state.failure_details, None)
    assert state.created_at <= state.last_updated_at


@orchestrator
def nothing(_ctx, _):
    return None


@case("6.3 empty: input, output, custom status None")
def nothing_is_no_output(t):
    state = t.run("nothing")
    completed(state)
    equal((state.serialized_input, state.serialized_output), (None, None))


@orchestrator
def sequence(ctx, first):
    numbers = [first]
    for _ in range(10):
        numbers.append((yield ctx.call_activity("plus_one", input=numbers[-1])))
    return numbers


@case("6.3 activity_sequence; 6.4 dts_orchestration")
def activities_in_a_chain(t):
    completed(t.run("sequence", 1), list(range(1, 12)))


@orchestrator
def counts_activities(ctx, given):
    for _ in range(given["width"]):
        yield ctx.call_activity("tally", input=given["key"])
    return given["width"]


@orchestrator
def counts_children(ctx, given):
    children = [ctx.call_sub_orchestrator("counts_activities",
                                          input={"key": given["key"], "width": 3})
                for _ in range(given["width"])]
    return sum((yield when_all(children)))


@case("6.3 sub_orchestration_fan_out: activity count exact")
def sub_orchestrations_fan_out(t):
    completed(t.run("counts_children", {"key": t.id(), "width": 10}), 30)
    equal(count(t.id()), 30)


@orchestrator
def calls_by_name(ctx, n):
    child = yield ctx.call_sub_orchestrator("tells_about_itself", input=n)
    return {"own": ctx.instance_id, "parent": ctx.parent_instance_id, "child": child}


@orchestrator
def tells_about_itself(ctx, n):
    return {"own": ctx.instance_id, "parent": ctx.parent_instance_id, "n": n}


@case("6.3 sub_orchestrator_by_name; parent info; default child ID")
def a_child_by_name_knows_its_parent(t):
    told = completed(t.run("calls_by_name", 7, t.id()))
    equal(told["own"], t.id())
    equal(told["parent"], None)
    equal(told["child"], {"own": f"{t.id()}:0001", "parent": t.id(), "n": 7})


@orchestrator
def compensates(ctx, key):
    try:
        yield ctx.call_activity("boom", input="no stock")
    except task.TaskFailedError as error:
        yield ctx.call_activity("tally", input=key)
        return [str(error), error.details.error_type, error.details.message]


@case("6.3 activity_error_handling")
def a_failure_is_compensated(t):
    text, kind, message = completed(t.run("compensates", t.id()))
    assert "no stock" in text, text
    assert kind.endswith("RuntimeError"), kind
    equal(message, "no stock")
    equal(count(t.id()), 1)


@case("6.3 activity_error_handling: uncaught")
def an_uncaught_failure_fails(t):
    details = failed(t.run("always_fails", "snow & ice – élan"), "snow & ice – élan")
    assert details.stack_trace
    assert details.inner_failure.error_type.endswith("RuntimeError")
    equal(details.inner_failure.message, "snow & ice – élan")


@case("6.3 get_orchestration_history")
def the_history_tells_all(t):
    completed(t.run("add_one", 1, t.id()), 2)
    events = t.history(t.id())
    kinds = [type(event).__name__.removesuffix("Event") for event in events]
    equal(kinds, ["OrchestratorStarted", "ExecutionStarted", "TaskScheduled",
                  "OrchestratorStarted", "TaskCompleted", "ExecutionCompleted"])
    equal([event.event_id for event in events], [-1, 0, 1, -1, -1, 2])
    equal(events[1].name, "add_one")
    equal(events[1].input, "1")
    equal(events[4].task_scheduled_id, 1)
    equal(events[5].result, "2")
    began = [event.timestamp for event in events if type(event).__name__.startswith("Orchestrator")]
    assert began[0] < began[1]
    assert events[2].timestamp < events[4].timestamp, "scheduled, completed"
    assert all(event.timestamp.timestamp() > 0 for event in events)


@case("2.9 unknown instance: NOT_FOUND (Python raises)")
def the_history_of_nobody_is_refused(t):
    raises(lambda: t.history(t.id()), grpc.StatusCode.NOT_FOUND)


@orchestrator
def three_events(ctx, _):
    got = []
    for name in "ABC":
        got.append((yield ctx.wait_for_external_event(name)))
    return got


@case("6.3 multiple external events")
def events_before_and_after_their_waits(t):
    instance = t.start("three_events")
    t.raises(instance, "C", 3)
    t.raises(instance, "b", {"two": 2})
    time.sleep(0.3)
    t.raises(instance, "A", "one")
    completed(t.done(instance), ["one", {"two": 2}, 3])


@case("6.3 multiple external events (order)")
def events_of_one_name_come_in_order(t):
    instance = t.start("same_events", 20)
    for i in range(20):
        t.raises(instance, "item", i)
    completed(t.done(instance), list(range(20)))


@orchestrator
def event_or_timer(ctx, given):
    event = ctx.wait_for_external_event("go")
    timer = ctx.create_timer(timedelta(seconds=given["seconds"]))
    first = yield when_any([event, timer])
    if first is event and given.get("cancel"):
        timer.cancel()
    if given.get("after"):
        yield ctx.create_timer(timedelta(seconds=given["after"]))
    return "event" if first is event else "timer"


@case("6.3 event timeout (event)")
def an_event_beats_its_timeout(t):
    instance = t.start("event_or_timer", {"seconds": 30})
    t.raises(instance, "go")
    completed(t.done(instance), "event")


@case("6.3 event timeout (timer)")
def a_timeout_beats_its_event(t):
    completed(t.run("event_or_timer", {"seconds": 1}), "timer")


@case("6.3 when_any cancels timer ×2: late timer ignored", slow=3)
def a_late_timer_is_ignored(t):
    for cancel in (False, True):
        instance = t.start("event_or_timer", {"seconds": 1, "after": 2, "cancel": cancel})
        t.raises(instance, "go")
        completed(t.done(instance), "event")


@orchestrator
def two_events_race(ctx, _):
    one, two = ctx.wait_for_external_event("one"), ctx.wait_for_external_event("two")
    first = yield when_any([one, two])
    loser = two if first is one else one
    late = yield when_any([loser, ctx.create_timer(timedelta(seconds=10))])
    return [first.get_result(), late.get_result() if late is loser else "timer"]


@case("6.3 when_any competing event ×2")
def events_race(t):
    for order in (["one", "two"], ["two", "one"]):
        instance = t.start("two_events_race")
        for name in order:
            t.raises(instance, name, name)
        completed(t.done(instance), order)


@orchestrator
def sleeps(ctx, seconds):
    before = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(seconds=seconds))
    return (ctx.current_utc_datetime - before).total_seconds()


@case("6.1 single timer; 5", slow=3)
def a_timer_never_fires_early(t):
    state = t.run("sleeps", 3)
    assert completed(state) >= 3
    took = (state.last_updated_at - state.created_at).total_seconds()
    assert 3 <= took < 8, took


@case("5 timers: past fires at once")
def a_timer_in_the_past_fires_at_once(t):
    completed(t.run("sleeps", 0))
    completed(t.run("sleeps", -60))


@case("6.3 long_timer_chunking: current time > fireAt", slow=2)
def a_long_timer_is_split(t):
    from durabletask.client import TaskHubGrpcClient
    from durabletask.worker import TaskHubGrpcWorker
    from harness import RUN, log
    metadata = [("taskhub", f"chunks-{RUN}")]
    worker = TaskHubGrpcWorker(host_address=t.address, metadata=metadata, logger=log,
                               maximum_timer_interval=timedelta(seconds=0.6))
    worker.add_orchestrator(sleeps)
    client = TaskHubGrpcClient(host_address=t.address, metadata=metadata, logger=log)
    worker.start()
    try:
        instance = client.schedule_new_orchestration("sleeps", input=2)
        assert completed(client.wait_for_orchestration_completion(instance, timeout=30)) >= 2
        created = [one for one in client.get_orchestration_history(instance)
                   if type(one).__name__ == "TimerCreatedEvent"]
        equal(len(created), 4, "chunks")
    finally:
        worker.stop()
        client.close()


@orchestrator
def collects(ctx, got):
    got = (got or []) + [(yield ctx.wait_for_external_event("item"))]
    if len(got) < 5:
        ctx.continue_as_new(got, save_events=True)
        return None
    return got


@case("6.3 continue_as_new: 5 events, carry-over")
def continue_as_new_carries_events_over(t):
    instance = t.start("collects")
    for i in range(5):
        t.raises(instance, "item", i)
    state = t.done(instance)
    completed(state, [0, 1, 2, 3, 4])
    equal(state.serialized_input, "[0, 1, 2, 3]", "the input of the last generation")


@orchestrator
def counts_generations(ctx, n):
    yield ctx.call_activity("echo", input=n)
    if n < 4:
        ctx.continue_as_new(n + 1)
        return None
    return n


@case("6.3 continue_as_new: serialized_input")
def continue_as_new_replaces_the_input(t):
    state = t.run("counts_generations", 0)
    completed(state, 4)
    equal(state.serialized_input, "4")
    equal(len(t.history(state.instance_id)), 6)


@orchestrator
def changes_version(ctx, n):
    if n == 0:
        ctx.continue_as_new(1, new_version="2.0")
        return None
    return ctx.version


@case("3.9 newVersion")
def continue_as_new_with_a_new_version(t):
    completed(t.run("changes_version", 0, version="1.0"), "2.0")


def policy(attempts, first=0.05, **more):
    return RetryPolicy(first_retry_interval=timedelta(seconds=first),
                       max_number_of_attempts=attempts, **more)


@orchestrator
def retries(ctx, given):
    more = {}
    if "timeout" in given:
        more["retry_timeout"] = timedelta(seconds=given["timeout"])
    if "coefficient" in given:
        more["backoff_coefficient"] = given["coefficient"]
    how = policy(given["attempts"], given.get("first", 0.05), **more)
    if given.get("child"):
        return (yield ctx.call_sub_orchestrator("flaky_child", input=given, retry_policy=how,
                                                instance_id=given.get("child_id")))
    return (yield ctx.call_activity("flaky", input=given, retry_policy=how))


@orchestrator
def flaky_child(ctx, given):
    return [ctx.instance_id, (yield ctx.call_activity("flaky", input=given))]


@case("6.3 retry_policies: same-id re-scheduling")
def a_retried_activity_succeeds(t):
    given = {"key": t.id(), "failures": 2, "attempts": 3}
    completed(t.run("retries", given, t.id()), 3)
    equal(count(t.id()), 3)
    numbers = [one.event_id for one in t.history(t.id())
               if type(one).__name__ == "TaskScheduledEvent"]
    equal(numbers, [1, 1, 1], "the same id each time")


@case("6.3 retry_policies: exact attempt counts")
def retries_are_exhausted(t):
    state = t.run("retries", {"key": t.id(), "failures": 9, "attempts": 4, "coefficient": 2})
    failed(state, "not yet 4")
    equal(count(t.id()), 4)
    assert (state.last_updated_at - state.created_at).total_seconds() >= 0.35


@case("6.3 retry_timeout", slow=4)
def the_time_for_retries_ends(t):
    given = {"key": t.id(), "failures": 99, "attempts": 99, "first": 1, "timeout": 3.5}
    failed(t.run("retries", given), "not yet")
    assert 2 <= count(t.id()) <= 5, count(t.id())  # fewer on a busy machine


@case("6.3 retry_policies: child re-created under the same ID")
def a_retried_child_keeps_its_id(t):
    given = {"key": t.id(), "failures": 2, "attempts": 3, "child": True}
    completed(t.run("retries", given, t.id()), [f"{t.id()}:0001", 3])
    given = {**given, "key": t.id("own"), "child_id": t.id("child")}
    completed(t.run("retries", given), [t.id("child"), 3])


@case("6.3 retry_policies: child, exhausted")
def retries_of_a_child_are_exhausted(t):
    given = {"key": t.id(), "failures": 9, "attempts": 3, "child": True, "child_id": t.id("child")}
    failed(t.run("retries", given), "not yet 3")
    equal(count(t.id()), 3)
    failed(t.state(t.id("child")))


@orchestrator
def retries_many(ctx, given):
    tasks = [ctx.call_activity("flaky", input={"key": f"{given['key']} {i}", "failures": i % 3},
                               retry_policy=policy(3)) for i in range(given["width"])]
    return (yield when_all(tasks))


@case("6.3 retry_policies: fan-out")
def siblings_are_retried_independently(t):
    completed(t.run("retries_many", {"key": t.id(), "width": 9}), [1, 2, 3] * 3)


@orchestrator
def reports(ctx, _):
    ctx.set_custom_status({"step": 1})
    yield ctx.wait_for_external_event("go")
    ctx.set_custom_status("two")
    yield ctx.wait_for_external_event("go")
    return "end"


@case("6.3 custom_status")
def custom_status_is_visible_while_it_runs(t):
    instance = t.start("reports")
    t.begun(instance)
    equal(json.loads(t.state(instance).serialized_custom_status), {"step": 1})
    t.raises(instance, "go")
    until(lambda: t.state(instance).serialized_custom_status == '"two"')
    t.raises(instance, "go")
    equal(t.done(instance).serialized_custom_status, '"two"')


@orchestrator
def uuids(ctx, _):
    first = [ctx.new_uuid(), ctx.new_uuid()]
    same = yield ctx.call_activity("echo", input=first)
    return [first, same, ctx.new_uuid()]


@case("6.3 new_uuid: deterministic time")
def new_uuids_are_the_same_on_replay(t):
    first, same, last = completed(t.run("uuids"))
    equal(first, same)
    equal(len({*first, last, *completed(t.run("uuids"))[0]}), 5)


@orchestrator
def clock(ctx, key):
    seen = []
    for _ in range(3):
        seen.append(ctx.current_utc_datetime.isoformat())
        yield ctx.call_activity("echo", input=1)
    n = yield ctx.call_activity("tally", input=f"{key} {seen}")
    return [n, seen]


@case("6.5 currentDateTimeUtc: differs between episodes, same on replay")
def the_time_of_an_orchestration_is_the_same_on_replay(t):
    n, seen = completed(t.run("clock", t.id()))
    equal(n, 1)
    equal(len(set(seen)), 3)
    equal(sorted(seen), seen)


@orchestrator
def sends(ctx, given):
    ctx.send_event(given["target"], "Go", data=given.get("data"))
    return "sent"


@case("6.3 sends_event_to_another")
def an_orchestration_sends_an_event(t):
    target = t.start("wait_for_go")
    completed(t.run("sends", {"target": target, "data": {"a": [1]}}), "sent")
    completed(t.done(target), {"a": [1]})
    target = t.start("wait_for_go")
    completed(t.run("sends", {"target": target}), "sent")
    completed(t.done(target))


@case("6.3 send_event_drops_undeliverable")
def an_event_sent_to_nobody_is_dropped(t):
    completed(t.run("sends", {"target": t.id("nobody"), "data": 1}), "sent")
    ended = t.run("empty").instance_id
    completed(t.run("sends", {"target": ended, "data": 1}), "sent")
    completed(t.state(ended), "done")


@orchestrator
def whole(ctx, _):
    tasks = [ctx.call_activity("after", input={"ms": ms, "value": ms}) for ms in (80, 0, 40)]
    both = yield when_all(tasks)
    first = yield when_any([ctx.call_activity("after", input={"ms": ms, "value": ms})
                            for ms in (400, 0)])
    return [both, first.get_result()]


@case("6.3 when_all, when_any")
def when_all_and_when_any(t):
    completed(t.run("whole"), [[80, 0, 40], 0])


@orchestrator
def all_with_failure(ctx, key):
    try:
        yield when_all([ctx.call_activity("boom", input="one"),
                        ctx.call_activity("tally", input=key),
                        ctx.call_activity("after", input={"ms": 300, "value": 1})])
    except task.TaskFailedError as error:
        return [error.details.message, (yield ctx.call_activity("echo", input="after"))]


@case("6.4 when_all with a failure: every answer exactly once")
def a_failure_in_when_all_waits_for_all(t):
    completed(t.run("all_with_failure", t.id()), ["one", "after"])
    equal(count(t.id()), 1)


@orchestrator
def unparsable(_ctx, _):
    return object()


@case("6.4 unparsable output fails")
def an_output_that_is_no_json_fails(t):
    failed(t.run("unparsable"))


@case("3.11 unregistered orchestrator")
def an_unknown_orchestrator_fails(t):
    failed(t.run("nobody_wrote_this"), "nobody_wrote_this")


@orchestrator
def calls_nobody(ctx, _):
    yield ctx.call_activity("nobody_wrote_this_either")


@case("3.11 unregistered activity")
def an_unknown_activity_fails(t):
    failed(t.run("calls_nobody"), "nobody_wrote_this_either")


@case("2.7 waits: DEADLINE_EXCEEDED becomes TimeoutError; suspend: wait times out")
def a_wait_has_a_deadline(t):
    instance = t.start("wait_for_go")
    began = time.monotonic()
    raises(lambda: t.done(instance, timeout=1), TimeoutError)
    assert time.monotonic() - began < 3
    raises(lambda: t.begun(t.id("nobody"), timeout=1), TimeoutError)
    t.raises(instance, "go", 1)
    completed(t.done(instance), 1)


@activity
def holds_until(_, key):
    bump(key)
    until(lambda: count(f"{key} release"), 30)
    return "released"


@orchestrator
def holds(ctx, key):
    time.sleep(0.5)
    return (yield ctx.call_activity("holds_until", input=key))


@case("7 trap 11: PENDING until the first commit")
def it_is_pending_until_its_first_episode_ended(t):
    instance = t.start("holds", t.id())
    equal(t.state(instance).runtime_status, Status.PENDING)
    equal(t.begun(instance).runtime_status, Status.RUNNING)
    until(lambda: count(t.id()))
    equal(t.state(instance).runtime_status, Status.RUNNING)
    bump(f"{t.id()} release")
    completed(t.done(instance), "released")


@case("3.2 scheduledStartTimestamp", slow=3)
def a_start_in_the_future_waits(t):
    at = datetime.now(timezone.utc) + timedelta(seconds=2)
    instance = t.start("empty", start_at=at)
    equal(t.state(instance).runtime_status, Status.PENDING)
    state = t.done(instance)
    completed(state, "done")
    assert state.last_updated_at.replace(tzinfo=timezone.utc) >= at


@activity
def who(ctx, _):
    return [ctx.orchestration_id, ctx.task_id]


@orchestrator
def asks_who(ctx, _):
    yield ctx.call_activity("echo", input=0)
    return (yield ctx.call_activity("who"))


@case("1.5 ActivityRequest: instance and taskId")
def an_activity_knows_its_orchestration(t):
    completed(t.run("asks_who", None, t.id()), [t.id(), 2])
