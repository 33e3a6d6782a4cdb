# SPDX-License-Identifier: MIT
"""The asynchronous client: the same questions through grpc.aio."""

import asyncio

import grpc
from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durabletask.client import EntityQuery, OrchestrationQuery
from durabletask.scheduled import ScheduleCreationOptions
from durabletask.scheduled.client import AsyncScheduledTaskClient

from harness import EntityInstanceId, Status, case, completed, count, equal, failed, json, log
from harness import bump as bump_key


def asynchronous(row, slow=0):
    """A case whose body is a coroutine with a client of the main hub, or of the hub it names."""

    def add(fn):
        def body(t):
            async def go():
                client = AsyncDurableTaskSchedulerClient(
                    host_address=t.address, taskhub=t.name, token_credential=None,
                    secure_channel=False, logger=log)
                async with client:
                    await fn(t, client)

            asyncio.run(go())

        body.__name__ = fn.__name__
        return case(row, slow)(body)

    return add


async def run(client, name, **options):
    instance = await client.schedule_new_orchestration(name, **options)
    return await client.wait_for_orchestration_completion(instance, timeout=45)


ROW = "6.3 orchestration_async_e2e; 6.4 dts_async"


@asynchronous(f"{ROW}: empty, sequence")
async def asynchronously_a_chain(_t, client):
    completed(await run(client, "empty"), "done")
    completed(await run(client, "sequence", input=1), list(range(1, 12)))


@asynchronous(f"{ROW}: sub-orchestration fan-out")
async def asynchronously_a_fan_out(t, client):
    completed(await run(client, "counts_children", input={"key": t.id(), "width": 5}), 15)
    equal(count(t.id()), 15)


@asynchronous(f"{ROW}: many at once")
async def asynchronously_many_at_once(_t, client):
    states = await asyncio.gather(*(run(client, "add_one", input=n) for n in range(100)))
    for n, state in enumerate(states):
        completed(state, n + 1)


@asynchronous(f"{ROW}: events, timeout")
async def asynchronously_events(_t, client):
    instance = await client.schedule_new_orchestration("three_events")
    for name in "CBA":
        await client.raise_orchestration_event(instance, name, data=name)
    completed(await client.wait_for_orchestration_completion(instance), ["A", "B", "C"])
    instance = await client.schedule_new_orchestration("wait_for_go")
    try:
        await client.wait_for_orchestration_completion(instance, timeout=1)
        raise AssertionError("no deadline")
    except TimeoutError:
        pass
    await client.terminate_orchestration(instance, output="enough")
    state = await client.wait_for_orchestration_completion(instance)
    equal((state.runtime_status, state.serialized_output), (Status.TERMINATED, '"enough"'))


@asynchronous(f"{ROW}: suspend_and_resume")
async def asynchronously_suspend_and_resume(_t, client):
    instance = await client.schedule_new_orchestration("wait_for_go")
    await client.wait_for_orchestration_start(instance)
    await client.suspend_orchestration(instance)
    state = await client.get_orchestration_state(instance)
    equal(state.runtime_status, Status.SUSPENDED)
    await client.raise_orchestration_event(instance, "go", data=1)
    await client.resume_orchestration(instance)
    completed(await client.wait_for_orchestration_completion(instance), 1)


@asynchronous(f"{ROW}: continue_as_new")
async def asynchronously_continue_as_new(_t, client):
    instance = await client.schedule_new_orchestration("collects")
    for i in range(5):
        await client.raise_orchestration_event(instance, "item", data=i)
    completed(await client.wait_for_orchestration_completion(instance), [0, 1, 2, 3, 4])


@asynchronous(f"{ROW}: retry_policies")
async def asynchronously_retries(t, client):
    given = {"key": t.id(), "failures": 2, "attempts": 3}
    completed(await run(client, "retries", input=given), 3)
    given = {"key": t.id("b"), "failures": 9, "attempts": 3}
    failed(await run(client, "retries", input=given), "not yet 3")


@asynchronous(f"{ROW}: restart, purge")
async def asynchronously_restart_and_purge(t, client):
    completed(await run(client, "remembers_runs", input=t.id(), instance_id=t.id()), [t.id(), 1])
    await client.restart_orchestration(t.id())
    completed(await client.wait_for_orchestration_completion(t.id()), [t.id(), 2])
    equal((await client.purge_orchestration(t.id())).deleted_instance_count, 1)
    equal(await client.get_orchestration_state(t.id()), None)


@asynchronous("6.3 rewind_e2e (async)")
async def asynchronously_rewind(t, client):
    key = t.id()
    failed(await run(client, "rewindable", input=key, instance_id=key))
    bump_key(f"{key} repaired")
    await client.rewind_orchestration(key, reason="repaired")
    completed(await client.wait_for_orchestration_completion(key), [1, "repaired", 1])
    try:
        await client.rewind_orchestration(key)
        raise AssertionError("it was not refused")
    except grpc.aio.AioRpcError as error:
        equal(error.code(), grpc.StatusCode.FAILED_PRECONDITION)


@asynchronous(f"{ROW}: history, queries, ids")
async def asynchronously_ask(t, client):
    completed(await run(client, "add_one", input=1, instance_id=t.id("one")), 2)
    completed(await run(client, "add_one", input=2, instance_id=t.id("two")), 3)
    equal(len(await client.get_orchestration_history(t.id("one"))), 6)
    query = OrchestrationQuery(instance_id_prefix=t.id(), max_instance_count=1)
    found = await client.get_all_orchestration_states(query)
    equal([one.instance_id for one in found], [t.id("one"), t.id("two")])
    page = await client.list_instance_ids(page_size=1)
    equal(len(page.items), 1)
    assert page.continuation_token


@asynchronous("6.3 entities (async client)")
async def asynchronously_entities(t, client):
    key = EntityInstanceId("journal", t.id())
    for i in range(10):
        await client.signal_entity(key, "append", i)
    for _ in range(100):
        found = await client.get_entity(key)
        if found and json.loads(found.get_state()) == list(range(10)):
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError("not within 10 s")
    query = EntityQuery(instance_id_starts_with=str(key))
    equal([str(one.id) for one in await client.get_all_entities(query)], [str(key)])


@asynchronous("6.3 scheduled_e2e (async)", slow=3)
async def asynchronously_a_schedule(t, client):
    hub = t.hub()
    hub.worker(configure=lambda worker: worker.configure_scheduled_tasks())
    own = AsyncDurableTaskSchedulerClient(
        host_address=t.address, taskhub=hub.name, token_credential=None,
        secure_channel=False, logger=log)
    async with own:
        schedules = AsyncScheduledTaskClient(own)
        from datetime import timedelta
        schedule = await schedules.create_schedule(ScheduleCreationOptions(
            schedule_id="s", orchestration_name="empty", interval=timedelta(seconds=1),
            orchestration_instance_id="run-of-s"))
        completed(await own.wait_for_orchestration_completion("run-of-s", timeout=20), "done")
        await schedule.delete()
