# SPDX-License-Identifier: MIT
"""What every case of the Python suite uses: how cases, orchestrators, activities and entities are
declared, one worker that serves nearly all of them at once, and hubs for those that need a worker
(or emptiness) of their own.

Invariants:
1. Cases run at the same time in one hub: no case looks at instances that are not its own, except in
   a hub of its own.
2. A case that does not end in its time has failed; nothing is retried to become green.
3. The wire is reached only through the SDK.
"""

import collections
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
import uuid

from azure.core.credentials import AccessToken
from durabletask import client as dtc
from durabletask import task, worker as dtw
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.entities import DurableEntity, EntityInstanceId

Status = dtc.OrchestrationStatus
RUN = uuid.uuid4().hex[:6]
AUTHORITY = os.environ.get("CONFORMANCE_CA")  # of a server with TLS; it wants a token, too
if AUTHORITY:
    os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = AUTHORITY
TIMES = bool(os.environ.get("CONFORMANCE_TIMES"))
log = logging.getLogger("conformance")
log.setLevel(logging.DEBUG if os.environ.get("CONFORMANCE_LOG") else logging.CRITICAL)
log.propagate = bool(os.environ.get("CONFORMANCE_LOG"))
if log.propagate:
    logging.basicConfig(level=logging.DEBUG)

orchestrators, activities, entities, cases = {}, {}, {}, []
tallies = collections.Counter()
tally_lock = threading.Lock()


def declare(where, name, what):
    assert name not in where, f"{name} is declared twice"
    where[name] = what
    return what


def orchestrator(fn):
    return declare(orchestrators, fn.__name__, fn)


def activity(fn):
    return declare(activities, fn.__name__, fn)


def entity(fn):
    return declare(entities, fn.__name__, fn)


def case(row, slow=0, seconds=60):
    """Declares a case: its name is the function's, its row that of section 6 it covers."""

    def add(fn):
        name = fn.__name__.replace("_", "-")
        assert name not in [known[0] for known in cases], f"two cases are called {name}"
        cases.append((name, row, fn, slow, seconds))
        return fn

    return add


def bump(key):
    with tally_lock:
        tallies[key] += 1
        return tallies[key]


def count(key):
    with tally_lock:
        return tallies[key]


class Token:
    """What the azuremanaged package asks for tokens: ours is always the same."""

    def get_token(self, *scopes, **options):
        return AccessToken(os.environ["CONFORMANCE_TOKEN"], int(time.time()) + 3600)


class Hub:
    """A hub: its client, its workers, and the questions that cases ask of it."""

    def __init__(self, address, name, **options):
        self.address, self.name, self.workers = address, name, []
        self.client = DurableTaskSchedulerClient(
            host_address=address, taskhub=name, token_credential=Token() if AUTHORITY else None,
            secure_channel=bool(AUTHORITY), logger=log, **options)

    def make_worker(self, **options):
        options.setdefault("concurrency_options", dtw.ConcurrencyOptions(
            maximum_thread_pool_workers=24))
        return DurableTaskSchedulerWorker(
            host_address=self.address, taskhub=self.name,
            token_credential=Token() if AUTHORITY else None,
            secure_channel=bool(AUTHORITY), logger=log, **options)

    def worker(self, only=None, versioning=None, filters=..., configure=None, **options):
        """Starts a worker with everything that is declared, or only with these names."""
        made = self.make_worker(**options)
        for name, fn in orchestrators.items():
            if only is None or name in only:
                made.add_orchestrator(fn)
        for name, fn in activities.items():
            if only is None or name in only:
                made.add_activity(fn)
        for name, fn in entities.items():
            if only is None or name in only:
                made.add_entity(fn)
        if versioning:
            made.use_versioning(versioning)
        if filters == "auto":
            made.use_work_item_filters()
        elif filters is not ...:
            made.use_work_item_filters(filters)
        if configure:
            configure(made)
        made.start()
        self.workers.append(made)
        return made

    def start(self, name, input=None, instance_id=None, **options):
        return self.client.schedule_new_orchestration(
            name, input=input, instance_id=instance_id, **options)

    def run(self, name, input=None, instance_id=None, **options):
        return self.done(self.start(name, input, instance_id, **options))

    def done(self, instance_id, timeout=45):
        return self.client.wait_for_orchestration_completion(instance_id, timeout=timeout)

    def begun(self, instance_id, timeout=20):
        return self.client.wait_for_orchestration_start(instance_id, timeout=timeout)

    def state(self, instance_id, **options):
        return self.client.get_orchestration_state(instance_id, **options)

    def raises(self, instance_id, name, data=None):
        self.client.raise_orchestration_event(instance_id, name, data=data)

    def history(self, instance_id):
        return self.client.get_orchestration_history(instance_id)

    def entity(self, entity_id):
        return self.client.get_entity(entity_id)

    def entity_state(self, entity_id):
        found = self.entity(entity_id)
        return json.loads(found.get_state()) if found and found.get_state() else None

    def close(self):
        for one in self.workers:
            one.stop()
        self.client.close()


class Case(Hub):
    """The main hub, under its case's name."""

    def __init__(self, address, hub, name):
        super().__init__(address, hub)
        self.case, self.hubs = name, []

    def id(self, suffix=""):
        return f"{self.case[:60]}-{RUN}" + (f"-{suffix}" if suffix != "" else "")

    def hub(self, name=None, **options):
        made = Hub(self.address, name or f"{self.case[:30]}-{RUN}", **options)
        self.hubs.append(made)
        return made

    def close(self):
        for hub in self.hubs:
            hub.close()
        super().close()


def until(question, seconds=20, every=0.05):
    """Polls, because what is asked for comes by itself."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(every)


def equal(got, wanted, what=""):
    assert got == wanted, f"{what} wanted {wanted!r:.300}, got {got!r:.300}"


def completed(state, *output):
    assert state is not None, "there is no such instance"
    why = state.failure_details.message if state.failure_details else ""
    equal(state.runtime_status, Status.COMPLETED, why)
    if output:
        wanted = None if output[0] is None else json.dumps(output[0])
        equal(state.serialized_output, wanted)
    return None if state.serialized_output is None else json.loads(state.serialized_output)


def failed(state, text=""):
    assert state is not None, "there is no such instance"
    equal(state.runtime_status, Status.FAILED)
    assert state.failure_details is not None, "a failed instance says why"
    assert text in state.failure_details.message, state.failure_details.message
    return state.failure_details


def raises(what, code=None):
    """what() must raise: the gRPC error's code is compared, or the class."""
    try:
        what()
    except Exception as error:  # noqa: BLE001
        if isinstance(code, type):
            assert isinstance(error, code), f"{type(error)}: {error}"
        elif code is not None:
            equal(error.code(), code)
        return error
    raise AssertionError("it was not refused")


def one_case(address, hub, name, fn, seconds, say):
    began, verdict = time.monotonic(), []
    t = Case(address, hub, name)

    def body():
        try:
            fn(t)
            verdict.append(None)
        except BaseException as error:  # noqa: BLE001
            text = " ".join(f"{type(error).__name__}: {error}".split())
            own = [one for one in traceback.extract_tb(error.__traceback__)
                   if os.path.dirname(one.filename) == os.path.dirname(__file__)
                   and "harness" not in one.filename]
            line = f" [{os.path.basename(own[-1].filename)}:{own[-1].lineno}]" if own else ""
            verdict.append(text[:300] + line)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
    why = verdict[0] if verdict else f"no end in {seconds} s"
    took = f" ({1000 * (time.monotonic() - began):.0f} ms)" if TIMES else ""
    say(f"ok {name}{took}" if why is None else f"FAILED {name}: {why}{took}")
    threading.Thread(target=t.close, daemon=True).start()
    return why is None


def run_cases(address, wanted="", hub="default", at_once=40):
    """All cases, at_once of them at a time; whether all passed."""
    main = Hub(address, hub)
    main.worker()
    waiting = queue.Queue()
    chosen = sorted((one for one in cases if wanted in one[0]), key=lambda one: -one[3])
    for one in chosen:
        waiting.put(one)
    results, print_lock = [], threading.Lock()

    def say(line):
        with print_lock:
            print(line, flush=True)

    def lane():
        while True:
            try:
                name, _, fn, _, seconds = waiting.get_nowait()
            except queue.Empty:
                return
            results.append(one_case(address, hub, name, fn, seconds, say))

    lanes = [threading.Thread(target=lane) for _ in range(at_once)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()
    return bool(results) and all(results)


def leave(good):
    """Ends at once: workers of failed cases may still hold threads."""
    sys.stdout.flush()
    os._exit(0 if good else 1)


__all__ = [
    "DurableEntity", "EntityInstanceId", "Hub", "RUN", "Status", "activity", "bump", "case",
    "cases", "completed", "count", "dtc", "dtw", "entity", "equal", "failed", "json", "leave",
    "log", "orchestrator", "raises", "run_cases", "task", "time", "until",
]
