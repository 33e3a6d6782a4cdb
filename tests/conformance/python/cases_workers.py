# SPDX-License-Identifier: MIT
"""Versions and work-item filters: workers with options of their own, so hubs of their own."""

from durabletask.worker import (
    ActivityWorkItemFilter, EntityWorkItemFilter, OrchestrationWorkItemFilter,
    VersionFailureStrategy, VersioningOptions, VersionMatchStrategy, WorkItemFilters)

from harness import EntityInstanceId, Status, case, completed, equal, failed, orchestrator, time


def pending(hub, instance, seconds=3):
    time.sleep(seconds)
    equal(hub.state(instance).runtime_status, Status.PENDING)


@orchestrator
def says_version(ctx, _):
    return ctx.version


@orchestrator
def child_says_version(ctx, version):
    child = yield ctx.call_sub_orchestrator("says_version", version=version)
    return [ctx.version, child]


def versioning(version, match, failure=VersionFailureStrategy.FAIL, default=None):
    return VersioningOptions(version, default, match, failure)


@case("6.3 versioning: version in ExecutionStarted")
def a_version_is_passed(t):
    completed(t.run("says_version", version="1.2.3"), "1.2.3")
    completed(t.run("says_version"))
    equal(t.run("says_version").serialized_output, None)


@case("6.3 versioning: default versions of client and sub-orchestrations")
def a_default_version_is_the_sdk_s_business(t):
    hub = t.hub(default_version="7.0")
    hub.worker(versioning=versioning("7.0", VersionMatchStrategy.NONE, default="8.0"))
    completed(hub.run("child_says_version"), ["7.0", "8.0"])
    completed(hub.run("child_says_version", "9.0", version="6.0"), ["6.0", "9.0"])


@case("3.10 no inheritance by the server")
def children_do_not_inherit_a_version(t):
    completed(t.run("child_says_version", version="1.0"), ["1.0", None])


@case("6.3 versioning: FAILED VersionMismatch texts (strict)")
def a_strict_version_fails_others(t):
    hub = t.hub()
    hub.worker(versioning=versioning("2.0", VersionMatchStrategy.STRICT))
    completed(hub.run("says_version", version="2.0"), "2.0")
    details = failed(hub.run("says_version", version="1.0"))
    assert "VersionMismatch" in details.error_type, details.error_type
    assert "1.0" in details.message and "2.0" in details.message, details.message


@case("6.3 versioning: current or older")
def an_older_version_is_served(t):
    hub = t.hub()
    hub.worker(versioning=versioning("2.0", VersionMatchStrategy.CURRENT_OR_OLDER))
    completed(hub.run("says_version", version="1.9"), "1.9")
    completed(hub.run("says_version", version="2.0"), "2.0")
    failed(hub.run("says_version", version="2.1"))


@case("3.17 Reject: Abandon; 3.18", slow=4)
def a_rejected_version_waits_for_its_worker(t):
    hub = t.hub()
    reject = VersionFailureStrategy.REJECT
    hub.worker(versioning=versioning("1.0", VersionMatchStrategy.STRICT, reject))
    instance = hub.start("says_version", version="2.0")
    pending(hub, instance, 2)
    hub.worker(versioning=versioning("2.0", VersionMatchStrategy.STRICT, reject))
    completed(hub.done(instance), "2.0")


@case("6.3 work_item_filters: auto", slow=3)
def filters_made_from_the_registry(t):
    hub = t.hub()
    hub.worker(only=["add_one", "plus_one"], filters="auto")
    stranger = hub.start("empty")
    completed(hub.run("add_one", 1), 2)
    pending(hub, stranger)
    hub.worker(only=["empty"], filters="auto")
    completed(hub.done(stranger), "done")


@case("6.3 work_item_filters: explicit", slow=3)
def filters_that_are_written_down(t):
    hub = t.hub()
    hub.worker(filters=WorkItemFilters(
        orchestrations=[OrchestrationWorkItemFilter("add_one")],
        activities=[ActivityWorkItemFilter("plus_one")]))
    stranger = hub.start("empty")
    completed(hub.run("add_one", 1), 2)
    pending(hub, stranger)


@case("6.3 work_item_filters: none; cleared")
def no_filters_and_cleared_filters(t):
    hub = t.hub()
    hub.worker(filters=None)
    completed(hub.run("empty"), "done")
    other = t.hub(t.id("cleared"))

    def clear(worker):
        worker.use_work_item_filters()
        worker.use_work_item_filters(None)

    other.worker(configure=clear)
    completed(other.run("empty"), "done")


@case("6.3 work_item_filters: entity; non-matching entity", slow=3)
def filters_of_entities(t):
    hub = t.hub()
    hub.worker(filters=WorkItemFilters(entities=[EntityWorkItemFilter("Counter")]))
    known, unknown = EntityInstanceId("counter", "x"), EntityInstanceId("journal", "x")
    hub.client.signal_entity(known, "add", 1)
    hub.client.signal_entity(unknown, "append", 1)
    time.sleep(3)
    equal(hub.entity_state(known), 1)
    equal(hub.entity(unknown), None)
    hub.worker(filters=WorkItemFilters(entities=[EntityWorkItemFilter("journal")]))
    until_state(hub, unknown, [1])


def until_state(hub, key, wanted):
    from harness import until
    until(lambda: hub.entity_state(key) == wanted)


@case("6.3 work_item_filters: non-matching orchestrator; activity without a worker", slow=4)
def what_no_filter_matches_stays(t):
    hub = t.hub()
    hub.worker(filters=WorkItemFilters(
        orchestrations=[OrchestrationWorkItemFilter("add_one")]))
    half, other = hub.start("add_one", 1), hub.start("empty")
    hub.begun(half)
    pending(hub, other)
    equal(hub.state(half).runtime_status, Status.RUNNING)
    hub.worker(filters=WorkItemFilters(activities=[ActivityWorkItemFilter("plus_one")]))
    completed(hub.done(half), 2)


@case("6.3 work_item_filters: strict version match", slow=3)
def a_strict_version_in_the_filter(t):
    hub = t.hub()
    hub.worker(versioning=versioning("2.0", VersionMatchStrategy.STRICT), filters="auto")
    mismatch, none = hub.start("says_version", version="1.0"), hub.start("says_version")
    completed(hub.run("says_version", version="2.0"), "2.0")
    completed(hub.run("add_one", 1, version="2.0"), 2)
    pending(hub, mismatch)
    pending(hub, none, 0)


@case("6.3 work_item_filters: explicit versions", slow=3)
def explicit_versions_in_the_filter(t):
    hub = t.hub()
    hub.worker(filters=WorkItemFilters(orchestrations=[
        OrchestrationWorkItemFilter("says_version", ["1.0", "3.0"])]))
    for version in ("1.0", "3.0"):
        completed(hub.run("says_version", version=version), version)
    pending(hub, hub.start("says_version", version="2.0"), 2.5)
    pending(hub, hub.start("says_version"), 1)


@case("2.3 start order: a worker before its work; after it")
def work_waits_for_its_worker(t):
    hub = t.hub()
    instances = [hub.start("add_one", n) for n in range(10)]
    hub.worker()
    for n, instance in enumerate(instances):
        completed(hub.done(instance), n + 1)
    equal(len(hub.client.get_all_orchestration_states()), 10)


@case("2.4 several streams: work is shared")
def work_is_spread_over_workers(t):
    hub = t.hub()
    hub.worker()
    hub.worker()
    instances = [hub.start("sequence", n) for n in range(30)]
    for n, instance in enumerate(instances):
        completed(hub.done(instance), list(range(n, n + 11)))


@case("6.3 stop and start: what ran goes on with another worker")
def another_worker_takes_over(t):
    hub = t.hub()
    first = hub.worker()
    instance = hub.start("three_events")
    hub.raises(instance, "A", 1)
    hub.begun(instance)
    first.stop()
    hub.workers.remove(first)
    hub.raises(instance, "B", 2)
    hub.worker()
    hub.raises(instance, "C", 3)
    completed(hub.done(instance), [1, 2, 3])
