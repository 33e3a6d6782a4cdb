# SPDX-License-Identifier: MIT
"""Schedules made by the SDK out of entities, orchestrations and delayed signals."""

from datetime import datetime, timedelta, timezone

from durabletask.client import OrchestrationQuery
from durabletask.scheduled import (
    ScheduleCreationOptions, ScheduledTaskClient, ScheduleQuery, ScheduleStatus,
    ScheduleUpdateOptions)

from harness import Status, case, completed, equal, time, until


def schedules(t):
    hub = t.hub()
    hub.worker(configure=lambda worker: worker.configure_scheduled_tasks())
    return hub, ScheduledTaskClient(hub.client)


def runs(hub, prefix, status=Status.COMPLETED):
    query = OrchestrationQuery(instance_id_prefix=prefix, runtime_status=[status],
                               fetch_inputs_and_outputs=True)
    return hub.client.get_all_orchestration_states(query)


def options(name="clock", seconds=1, **more):
    return ScheduleCreationOptions(schedule_id=name, orchestration_name="returns_input",
                                   interval=timedelta(seconds=seconds),
                                   orchestration_input={"from": name}, **more)


@case("6.3, 6.4 scheduled_e2e: runs again and again", slow=5)
def a_schedule_runs_again_and_again(t):
    hub, client = schedules(t)
    schedule = client.create_schedule(options(start_immediately_if_late=True))
    until(lambda: len(runs(hub, "clock-")) >= 3, 15)
    for one in runs(hub, "clock-"):
        equal(one.serialized_output, '{"from": "clock"}')
    found = schedule.describe()
    equal((found.status, found.orchestration_name), (ScheduleStatus.ACTIVE, "returns_input"))
    assert found.last_run_at is not None and found.next_run_at is not None
    schedule.delete()


@case("6.3 scheduled_e2e: pause and resume", slow=6)
def a_schedule_is_paused_and_resumed(t):
    hub, client = schedules(t)
    schedule = client.create_schedule(options(start_immediately_if_late=True))
    until(lambda: runs(hub, "clock-"), 10)
    schedule.pause()
    equal(schedule.describe().status, ScheduleStatus.PAUSED)
    time.sleep(0.5)
    before = len(runs(hub, "clock-"))
    time.sleep(2.5)
    equal(len(runs(hub, "clock-")), before, "nothing runs while it is paused")
    schedule.resume()
    equal(schedule.describe().status, ScheduleStatus.ACTIVE)
    until(lambda: len(runs(hub, "clock-")) > before, 10)
    schedule.delete()


@case("6.3 scheduled_e2e: update")
def a_schedule_is_updated(t):
    hub, client = schedules(t)
    schedule = client.create_schedule(options(seconds=3600))
    equal(schedule.describe().interval, timedelta(hours=1))
    schedule.update(ScheduleUpdateOptions(interval=timedelta(seconds=1),
                                          orchestration_input={"from": "update"}))
    equal(schedule.describe().interval, timedelta(seconds=1))
    until(lambda: any(one.serialized_output == '{"from": "update"}'
                      for one in runs(hub, "clock-")), 10)
    schedule.delete()


@case("6.3 scheduled_e2e: delete; list; get missing", slow=3)
def schedules_are_listed_and_deleted(t):
    hub, client = schedules(t)
    for name in ("a-one", "a-two", "b-one"):
        client.create_schedule(options(name, 3600))
    equal([one.schedule_id for one in client.list_schedules()], ["a-one", "a-two", "b-one"])
    query = ScheduleQuery(schedule_id_prefix="a-", page_size=1)
    equal([one.schedule_id for one in client.list_schedules(query)], ["a-one", "a-two"])
    equal(client.get_schedule("nobody"), None)
    client.get_schedule_client("a-one").delete()
    until(lambda: client.get_schedule("a-one") is None, 5)
    time.sleep(1.5)
    equal([one.schedule_id for one in client.list_schedules()], ["a-two", "b-one"])


@case("6.3 scheduled_e2e: start_at, end_at", slow=5)
def a_schedule_begins_and_ends(t):
    hub, client = schedules(t)
    begin = datetime.now(timezone.utc) + timedelta(seconds=2)
    client.create_schedule(options(start_at=begin, end_at=begin + timedelta(seconds=2.5)))
    time.sleep(1)
    equal(runs(hub, "clock-"), [])
    until(lambda: runs(hub, "clock-"), 10)
    first = runs(hub, "clock-")[0].created_at.replace(tzinfo=timezone.utc)
    assert first >= begin, f"{first} {begin}"
    until(lambda: client.get_schedule("clock") is None, 10)
    assert len(runs(hub, "clock-")) in (2, 3), len(runs(hub, "clock-"))


@case("6.3 scheduled_e2e: invalid transitions fail")
def an_impossible_change_of_a_schedule_is_refused(t):
    _, client = schedules(t)
    schedule = client.create_schedule(options(seconds=3600))
    for what in (schedule.resume, client.get_schedule_client("nobody").pause):
        try:
            what()
        except RuntimeError:
            continue
        raise AssertionError("it was not refused")


@case("6.3 scheduled_e2e: an instance ID of its own", slow=3)
def a_schedule_with_an_instance_id_of_its_own(t):
    hub, client = schedules(t)
    client.create_schedule(options(orchestration_instance_id="the-only-one"))
    completed(hub.done("the-only-one"), {"from": "clock"})
    client.get_schedule_client("clock").delete()
