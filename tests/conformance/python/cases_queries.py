# SPDX-License-Identifier: MIT
"""Queries, lists and purges of many, in hubs of their own."""

from datetime import datetime, timedelta, timezone

from durabletask.client import EntityQuery, OrchestrationQuery

from harness import EntityInstanceId, Status, case, completed, equal, time, until


def populated(t):
    hub = t.hub()
    hub.worker()
    completed(hub.run("empty", None, "a-done-1"))
    completed(hub.run("returns_input", {"x": 1}, "a-done-2"))
    hub.run("always_fails", "x", "b-failed")
    hub.start("wait_for_go", None, "b-running")
    hub.begun("b-running")
    return hub


def ids(states):
    return [state.instance_id for state in states]


@case("6.3 batch_actions: all, status, prefix")
def instances_are_queried(t):
    hub = populated(t)
    hub.client.signal_entity(EntityInstanceId("counter", "x"), "add", 1)
    until(lambda: hub.entity(EntityInstanceId("counter", "x")))

    def ask(**query):
        return ids(hub.client.get_all_orchestration_states(OrchestrationQuery(**query)))

    equal(ids(hub.client.get_all_orchestration_states()),
          ["a-done-1", "a-done-2", "b-failed", "b-running"])
    equal(ask(runtime_status=[Status.COMPLETED]), ["a-done-1", "a-done-2"])
    equal(ask(runtime_status=[Status.FAILED, Status.RUNNING]), ["b-failed", "b-running"])
    equal(ask(instance_id_prefix="b-"), ["b-failed", "b-running"])
    equal(ask(instance_id_prefix="b-", runtime_status=[Status.COMPLETED]), [])


@case("6.4 dts_batch_actions: fetch=false: input/output/failure None")
def payloads_come_only_when_asked_for(t):
    hub = populated(t)
    for state in hub.client.get_all_orchestration_states(OrchestrationQuery()):
        equal((state.serialized_input, state.serialized_output, state.failure_details),
              (None, None, None))
    query = OrchestrationQuery(fetch_inputs_and_outputs=True)
    full = {one.instance_id: one for one in hub.client.get_all_orchestration_states(query)}
    equal(full["a-done-2"].serialized_input, '{"x": 1}')
    equal(full["a-done-2"].serialized_output, '{"x": 1}')
    assert "x" in full["b-failed"].failure_details.message
    bare = hub.state("b-failed", fetch_payloads=False)
    equal((bare.serialized_input, bare.failure_details), (None, None))


@case("6.3 batch_actions: token required for 3 rows at size 2")
def instances_are_queried_in_pages(t):
    hub = t.hub()
    hub.worker()
    for i in range(3):
        completed(hub.run("empty", None, f"n{i}"))
    for size in (1, 2, 3, 4):
        found = hub.client.get_all_orchestration_states(OrchestrationQuery(max_instance_count=size))
        equal(ids(found), ["n0", "n1", "n2"], f"pages of {size}")
    page = hub.client.list_instance_ids(page_size=2)
    equal(page.items, ["n0", "n1"])
    assert page.continuation_token and "n1" in page.continuation_token, page.continuation_token
    rest = hub.client.list_instance_ids(page_size=2, continuation_token=page.continuation_token)
    equal(rest.items, ["n2"])
    equal(rest.continuation_token, None)
    equal(hub.client.list_instance_ids().continuation_token, None)


@case("6.3 batch_actions: queries between times")
def instances_are_queried_between_times(t):
    hub = t.hub()
    hub.worker()
    completed(hub.run("empty", None, "early"))
    time.sleep(0.05)
    middle = datetime.now(timezone.utc)
    time.sleep(0.05)
    completed(hub.run("empty", None, "late"))

    def ask(**query):
        return ids(hub.client.get_all_orchestration_states(OrchestrationQuery(**query)))

    equal(ask(created_time_from=middle), ["late"])
    equal(ask(created_time_to=middle), ["early"])
    equal(hub.client.list_instance_ids(completed_time_from=middle).items, ["late"])
    equal(hub.client.list_instance_ids(completed_time_to=middle).items, ["early"])
    statuses = [Status.FAILED, Status.TERMINATED]
    equal(hub.client.list_instance_ids(runtime_status=statuses).items, [])


@case("6.3 batch_actions: purge by status, by time")
def many_are_purged(t):
    hub = populated(t)
    result = hub.client.purge_orchestrations_by(runtime_status=[Status.FAILED])
    equal((result.deleted_instance_count, result.is_complete), (1, True))
    equal(hub.state("b-failed"), None)
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    equal(hub.client.purge_orchestrations_by(created_time_to=past).deleted_instance_count, 0)
    result = hub.client.purge_orchestrations_by(
        created_time_from=past, created_time_to=datetime.now(timezone.utc),
        runtime_status=[Status.COMPLETED, Status.FAILED, Status.TERMINATED],
        timeout=timedelta(seconds=30))
    equal((result.deleted_instance_count, result.is_complete), (2, True))
    equal(ids(hub.client.get_all_orchestration_states()), ["b-running"])


@case("3.16 recursive purge by filter")
def many_are_purged_with_their_children(t):
    hub = t.hub()
    hub.worker()
    completed(hub.run("counts_children", {"key": t.id(), "width": 4}, "parent"))
    everything = hub.client.get_all_orchestration_states()
    equal(len(everything), 5)
    result = hub.client.purge_orchestrations_by(runtime_status=[Status.COMPLETED], recursive=True)
    equal(result.deleted_instance_count, 5)
    equal(hub.client.get_all_orchestration_states(), [])


@case("6.3 batch_actions: entity queries")
def entities_are_queried(t):
    hub = t.hub()
    hub.worker()
    keys = [EntityInstanceId("counter", key) for key in ("a1", "a2", "b1")]
    keys.append(EntityInstanceId("Journal", "a1"))
    for key in keys:
        hub.client.signal_entity(key, "append" if key.entity == "journal" else "add", 1)
        until(lambda key=key: hub.entity(key))

    def ask(**query):
        found = hub.client.get_all_entities(EntityQuery(**query))
        return [str(one.id) for one in found]

    equal(ask(), ["@counter@a1", "@counter@a2", "@counter@b1", "@journal@a1"])
    for size in (1, 2, 3, 4):
        equal(len(ask(page_size=size)), 4, f"pages of {size}")
    equal(ask(instance_id_starts_with="@counter@a"), ["@counter@a1", "@counter@a2"])
    equal(ask(instance_id_starts_with="counter"), ["@counter@a1", "@counter@a2", "@counter@b1"])
    equal(ask(last_modified_from=datetime.now(timezone.utc) + timedelta(minutes=1)), [])
    one = hub.client.get_all_entities(EntityQuery(instance_id_starts_with="@journal@"))[0]
    equal(one.get_state(), "[1]")
    one = hub.client.get_all_entities(EntityQuery(include_state=False))[0]
    equal(one.get_state(), None)


@case("6.3, 6.4 clean storage: exactly 0/0")
def storage_of_entities_is_clean(t):
    hub = t.hub()
    hub.worker()
    key = EntityInstanceId("counter", "x")
    hub.client.signal_entity(key, "add", 1)
    until(lambda: hub.entity(key))
    hub.client.signal_entity(key, "remove")
    until(lambda: hub.entity(key) is None)
    result = hub.client.clean_entity_storage()
    equal((result.empty_entities_removed, result.orphaned_locks_released), (0, 0))


@case("2.2 several hubs by taskhub")
def hubs_do_not_see_each_other(t):
    one, two = t.hub(t.id(1)), t.hub(t.id(2))
    one.worker()
    two.start("returns_input", 2, "same")
    completed(one.run("returns_input", 1, "same"), 1)
    equal(two.state("same").runtime_status, Status.PENDING)
    two.worker()
    completed(two.done("same"), 2)
    equal(t.state("same"), None)


@case("2.2 http:// endpoint of a connection string")
def an_address_may_be_an_http_url(t):
    from harness import Hub
    text = f"Endpoint=http://{t.address};TaskHub=default;Authentication=None"
    parts = dict(part.split("=", 1) for part in text.split(";"))
    hub = Hub(parts["Endpoint"], parts["TaskHub"])
    completed(hub.run("returns_input", "by url"), "by url")
    hub.close()
