# SPDX-License-Identifier: MIT
"""What a client does to instances: suspend, terminate, restart, rewind, purge, reuse of IDs."""

import grpc
import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.task import when_all

from harness import (
    Status, activity, bump, case, completed, count, equal, failed, orchestrator, raises, time,
    until)

Code = grpc.StatusCode


def running(t, instance):
    t.begun(instance)
    equal(t.state(instance).runtime_status, Status.RUNNING)
    return instance


@case("6.3 suspend_and_resume", slow=4)
def suspend_and_resume(t):
    instance = running(t, t.start("wait_for_go"))
    t.client.suspend_orchestration(instance, reason="a pause")
    equal(t.state(instance).runtime_status, Status.SUSPENDED)
    t.raises(instance, "go", "held")
    raises(lambda: t.done(instance, timeout=3), TimeoutError)
    equal(t.state(instance).runtime_status, Status.SUSPENDED)
    t.client.resume_orchestration(instance, reason="go on")
    completed(t.done(instance), "held")


@case("3.12 RUNNING to SUSPENDED directly, many times")
def suspend_and_resume_again_and_again(t):
    instance = running(t, t.start("same_events", 10))
    for i in range(10):
        t.client.suspend_orchestration(instance)
        equal(t.state(instance).runtime_status, Status.SUSPENDED)
        t.raises(instance, "item", i)
        t.client.resume_orchestration(instance)
    completed(t.done(instance), list(range(10)))


@case("6.3 terminate")
def terminate(t):
    instance = running(t, t.start("wait_for_go"))
    t.client.terminate_orchestration(instance, output={"why": "enough"})
    state = t.done(instance, timeout=5)
    equal(state.runtime_status, Status.TERMINATED)
    equal(state.serialized_output, '{"why": "enough"}')
    t.client.terminate_orchestration(instance, output="again")
    equal(t.state(instance).serialized_output, '{"why": "enough"}')


@orchestrator
def root_of_family(ctx, key):
    children = [ctx.call_sub_orchestrator("branch_of_family", input=f"{key}-{i}",
                                          instance_id=f"{key}-{i}") for i in range(3)]
    yield when_all(children)


@orchestrator
def branch_of_family(ctx, key):
    yield ctx.call_sub_orchestrator("wait_for_go", instance_id=f"{key}-leaf")


def family(t):
    key = t.id()
    t.start("root_of_family", key, key)
    ids = [key] + [f"{key}-{i}" for i in range(3)] + [f"{key}-{i}-leaf" for i in range(3)]
    for one in ids:
        until(lambda one=one: (t.state(one) or t.state(key)).runtime_status == Status.RUNNING
              and t.state(one))
    return ids


@case("6.3 terminate_recursive: descendants TERMINATED; recursive purge removes all")
def terminate_and_purge_recursively(t):
    ids = family(t)
    t.client.terminate_orchestration(ids[0], output="all of you", recursive=True)
    for one in ids:
        state = t.done(one, timeout=10)
        equal(state.runtime_status, Status.TERMINATED)
        equal(state.serialized_output, '"all of you"')
    result = t.client.purge_orchestration(ids[0], recursive=True)
    equal(result.deleted_instance_count, 7)
    equal(result.is_complete, True)
    for one in ids:
        equal(t.state(one), None)


@case("3.13 non-recursive: children go on")
def terminate_only_the_parent(t):
    ids = family(t)
    t.client.terminate_orchestration(ids[0], recursive=False)
    equal(t.done(ids[0], timeout=5).runtime_status, Status.TERMINATED)
    time.sleep(0.5)
    equal(t.state(ids[1]).runtime_status, Status.RUNNING)
    for one in ids[4:]:
        t.raises(one, "go", 1)
        completed(t.done(one), 1)


@orchestrator
def remembers_runs(ctx, key):
    return [key, (yield ctx.call_activity("tally", input=key))]


@case("6.3 restart same / new ID")
def restart(t):
    completed(t.run("remembers_runs", t.id(), t.id()), [t.id(), 1])
    equal(t.client.restart_orchestration(t.id()), t.id())
    completed(t.done(t.id()), [t.id(), 2])
    other = t.client.restart_orchestration(t.id(), restart_with_new_instance_id=True)
    assert other != t.id()
    completed(t.done(other), [t.id(), 3])
    completed(t.state(t.id()), [t.id(), 2])
    raises(lambda: t.client.restart_orchestration(t.id("nobody")), Code.NOT_FOUND)


@case("3.15 same ID and non-terminal: FAILED_PRECONDITION")
def restart_what_runs_is_refused(t):
    instance = running(t, t.start("wait_for_go"))
    raises(lambda: t.client.restart_orchestration(instance), Code.FAILED_PRECONDITION)


@activity
def switched(_, key):
    bump(f"{key} runs")
    if not count(f"{key} repaired"):
        raise RuntimeError("broken")
    return "repaired"


@orchestrator
def rewindable(ctx, key):
    before = yield ctx.call_activity("tally", input=f"{key} before")
    middle = yield ctx.call_activity("switched", input=key)
    last = yield ctx.call_activity("tally", input=f"{key} after")
    return [before, middle, last]


@case("6.3 rewind_e2e: failed activity; preserve successes; failure_details None")
def rewind_runs_only_what_failed_again(t):
    key = t.id()
    failed(t.run("rewindable", key, key), "broken")
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key, reason="repaired")
    state = t.done(key)
    completed(state, [1, "repaired", 1])
    equal(state.failure_details, None)
    equal(count(f"{key} runs"), 2)
    equal(count(f"{key} before"), 1)


@case("6.3 rewind_e2e: no reason")
def rewind_without_a_reason(t):
    key = t.id()
    failed(t.run("rewindable", key, key))
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key)
    completed(t.done(key), [1, "repaired", 1])


@case("6.3 rewind_e2e: twice")
def rewind_twice(t):
    key = t.id()
    failed(t.run("rewindable", key, key))
    t.client.rewind_orchestration(key, reason="first")
    failed(t.done(key), "broken")
    equal(count(f"{key} runs"), 2)
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key, reason="second")
    completed(t.done(key), [1, "repaired", 1])
    equal(count(f"{key} runs"), 3)


@case("6.3 rewind_e2e: not found, non-failed")
def rewind_refuses_what_has_not_failed(t):
    raises(lambda: t.client.rewind_orchestration(t.id("nobody")), Code.NOT_FOUND)
    done = t.run("empty").instance_id
    raises(lambda: t.client.rewind_orchestration(done), Code.FAILED_PRECONDITION)
    instance = running(t, t.start("wait_for_go"))
    raises(lambda: t.client.rewind_orchestration(instance), Code.FAILED_PRECONDITION)


@orchestrator
def rewindable_parent(ctx, key):
    before = yield ctx.call_activity("tally", input=f"{key} parent")
    child = yield ctx.call_sub_orchestrator("rewindable", input=key, instance_id=f"{key}-child")
    return [before, child]


@case("6.3 rewind_e2e: sub-orchestration")
def rewind_goes_into_children(t):
    key = t.id()
    failed(t.run("rewindable_parent", key, key))
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key)
    completed(t.done(key), [1, [1, "repaired", 1]])
    equal(count(f"{key} before"), 1)


@case("6.3 rewind_e2e: purged child")
def rewind_replaces_a_purged_child(t):
    key = t.id()
    failed(t.run("rewindable_parent", key, key))
    equal(t.client.purge_orchestration(f"{key}-child").deleted_instance_count, 1)
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key)
    completed(t.done(key), [1, [2, "repaired", 1]])


@orchestrator
def throws_itself(_ctx, key):
    if not count(f"{key} repaired"):
        raise RuntimeError("in the orchestrator")
    return "well"


@case("3.14: an orchestrator that itself threw simply runs again")
def rewind_an_orchestrator_that_threw(t):
    key = t.id()
    failed(t.run("throws_itself", key, key), "in the orchestrator")
    bump(f"{key} repaired")
    t.client.rewind_orchestration(key)
    completed(t.done(key), "well")


@case("3.16 purge by ID: 1, then 0; a running one is spared")
def purge_by_id(t):
    done = t.run("empty").instance_id
    result = t.client.purge_orchestration(done)
    equal((result.deleted_instance_count, result.is_complete), (1, True))
    equal(t.state(done), None)
    equal(t.client.purge_orchestration(done).deleted_instance_count, 0)
    instance = running(t, t.start("wait_for_go"))
    equal(t.client.purge_orchestration(instance).deleted_instance_count, 0)


@case("9 decision 3: missing IDs")
def nobody_is_not_found(t):
    for what in (t.client.suspend_orchestration, t.client.resume_orchestration,
                 t.client.terminate_orchestration):
        raises(lambda what=what: what(t.id()), Code.NOT_FOUND)
    raises(lambda: t.raises(t.id(), "go", 1), Code.NOT_FOUND)
    equal(t.state(t.id()), None)


def reuse(*names):
    return pb.OrchestrationIdReusePolicy(
        replaceableStatus=[getattr(pb, f"ORCHESTRATION_STATUS_{name}") for name in names])


@case("3.2 reuse policy passed through by Python")
def ids_are_reused_as_the_policy_says(t):
    key = t.id()
    completed(t.run("returns_input", 1, key), 1)
    completed(t.run("returns_input", 2, key), 2)
    raises(lambda: t.start("returns_input", 3, key, reuse_id_policy=reuse()), Code.ALREADY_EXISTS)
    raises(lambda: t.start("returns_input", 3, key, reuse_id_policy=reuse("FAILED")),
           Code.ALREADY_EXISTS)
    completed(t.run("returns_input", 4, key, reuse_id_policy=reuse("COMPLETED")), 4)
    running(t, t.start("wait_for_go", None, key))
    error = raises(lambda: t.start("empty", None, key), Code.ALREADY_EXISTS)
    assert "orchestration instance already exists" in error.details(), error.details()
    error = raises(lambda: t.start("empty", None, key, reuse_id_policy=reuse("RUNNING")),
                   Code.INVALID_ARGUMENT)
    assert "cannot exclude 'Terminated'" in error.details(), error.details()
    policy = reuse("RUNNING", "TERMINATED")
    completed(t.run("returns_input", 5, key, reuse_id_policy=policy), 5)
