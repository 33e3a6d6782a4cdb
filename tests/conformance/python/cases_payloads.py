# SPDX-License-Identifier: MIT
"""Payloads byte for byte, large ones, those stored elsewhere; failures in depth; traces."""

import hashlib
import threading

from durabletask import client as dtc
from durabletask.payload.store import LargePayloadStorageOptions, PayloadStore
from durabletask.task import when_all
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from harness import (
    EntityInstanceId, activity, case, completed, equal, failed, json, orchestrator, until)

STRANGE = {"text": "quote \" \\ / \t nul \u0000 emoji \U0001F680 RTL \u05d0 end \u2028",
           "numbers": [0, -0.0, 1e308, 5e-324, 2 ** 70, 0.1], "nested": {"a": [[[]]]}}


@orchestrator
def through_activity(ctx, value):
    return [(yield ctx.call_activity("echo", input=value))]


@case("1.0 opaque payloads")
def payloads_come_back_byte_for_byte(t):
    state = t.run("through_activity", STRANGE)
    equal(state.serialized_input, json.dumps(STRANGE))
    equal(state.serialized_output, json.dumps([STRANGE]))
    instance = t.start("wait_for_go")
    t.raises(instance, "go", STRANGE)
    equal(t.done(instance).serialized_output, json.dumps(STRANGE))


@case("6.2 falsy values")
def falsy_values_come_through(t):
    for value in (0, "", False, [], {}):
        completed(t.run("through_activity", value), [value])
        completed(t.run("returns_input", value), value)


@orchestrator
def measures(ctx, text):
    return [text, (yield ctx.call_activity("length", input=text))]


@activity
def length(_, text):
    return len(text)


def big(size):
    parts, seed = [], b"x"
    while sum(map(len, parts[-1:])) * len(parts) < size:
        seed = hashlib.sha512(seed).digest()
        parts.append(seed.hex())
    return "".join(parts)[:size]


@case("2.1 message sizes: below 4 MiB for Python")
def large_payloads_come_through(t):
    for size in (100_000, 1_000_000, 1_900_000):
        text = big(size)
        equal(completed(t.run("measures", text)), [text, size])


@case("2.1; 4.5 a large state")
def a_large_state_of_an_entity(t):
    key, text = EntityInstanceId("journal", t.id()), big(1_500_000)
    t.client.signal_entity(key, "append", text)
    until(lambda: t.entity_state(key) == [text])


@orchestrator
def wide(ctx, width):
    answers = yield when_all([ctx.call_activity("echo", input=i) for i in range(width)])
    return answers == list(range(width))


@case("3.3 many events in one episode")
def a_fan_out_of_five_hundred(t):
    completed(t.run("wide", 500), True)


@case("std, many at once", slow=2)
def three_hundred_orchestrations(t):
    instances = [t.start("add_one", n) for n in range(300)]
    for n, instance in enumerate(instances):
        completed(t.done(instance), n + 1)


# ---- payloads that are stored elsewhere: the server sees opaque tokens only

class Shelf(PayloadStore):
    def __init__(self):
        self.kept, self.lock = {}, threading.Lock()

    @property
    def options(self):
        return LargePayloadStorageOptions(threshold_bytes=1000)

    def upload(self, data, *, instance_id=None):
        with self.lock:
            token = f"blob:v1:shelf:{len(self.kept)}"
            self.kept[token] = data
            return token

    async def upload_async(self, data, *, instance_id=None):
        return self.upload(data, instance_id=instance_id)

    def download(self, token):
        return self.kept[token]

    async def download_async(self, token):
        return self.download(token)

    def is_known_token(self, value):
        return value in self.kept


@case("6.3, 6.4 large_payload: opaque tokens; LARGE_PAYLOADS capability")
def payloads_that_are_stored_elsewhere(t):
    shelf, text = Shelf(), big(200_000)
    hub = t.hub(payload_store=shelf)
    hub.worker(payload_store=shelf)
    equal(completed(hub.run("measures", text, "one")), [text, 200_000])
    instance = hub.start("wait_for_go", None, "two")
    hub.raises(instance, "go", text)
    completed(hub.done(instance), text)
    key = EntityInstanceId("journal", "x")
    hub.client.signal_entity(key, "append", text)
    until(lambda: hub.entity(key) and hub.entity_state(key) == [text])
    bare = t.hub(hub.name)
    assert bare.state("one").serialized_input.startswith("blob:v1:shelf:"), "a token"
    assert bare.state("two").serialized_output.startswith("blob:v1:shelf:"), "a token"
    equal(len(hub.client.get_all_orchestration_states(
        dtc.OrchestrationQuery(fetch_inputs_and_outputs=True))), 2)


# ---- failures in depth

class Told(Exception):
    pass


class Properties:
    def get_exception_properties(self, exception):
        if isinstance(exception, Told):
            return {"text": "t", "number": 1.5, "flag": True, "none": None,
                    "list": [1, "two", [3]], "nested": {"a": {"b": "c"}}}
        return None


@activity
def fails_deeply(_, _input):
    try:
        try:
            raise KeyError("the deepest")
        except KeyError as error:
            raise ValueError("the middle") from error
    except ValueError as error:
        raise Told("the outermost") from error


@orchestrator
def fails_with_inner(ctx, _):
    yield ctx.call_activity("fails_deeply")


@orchestrator
def parent_of_failure(ctx, _):
    yield ctx.call_sub_orchestrator("fails_with_inner", instance_id=f"{ctx.instance_id}-child")


def chain(details):
    found = []
    while details is not None:
        found.append(details)
        details = details.inner_failure
    return found


@case("6.5 innerExceptionDetails, customExceptionProperties; 7 trap 25")
def failures_keep_their_depth_and_properties(t):
    hub = t.hub()
    hub.worker(exception_properties_provider=Properties())
    details = chain(failed(hub.run("fails_with_inner")))
    told = [one for one in details if one.error_type.endswith("Told")]
    assert told, [one.error_type for one in details]
    equal(told[-1].message, "the outermost")
    equal(told[-1].properties, {"text": "t", "number": 1.5, "flag": True, "none": None,
                                "list": [1, "two", [3]], "nested": {"a": {"b": "c"}}})
    inner = chain(told[-1])
    equal([one.message for one in inner], ["the outermost", "the middle", "'the deepest'"])
    assert all(one.stack_trace is not None for one in inner)
    parent = chain(failed(hub.run("parent_of_failure", None, "parent")))
    equal([one.message for one in parent][-3:], ["the outermost", "the middle", "'the deepest'"])
    equal(parent[-3].properties["nested"], {"a": {"b": "c"}})
    event = [one for one in hub.history("parent-child") if type(one).__name__ == "TaskFailedEvent"]
    equal(event[0].failure_details.inner_failure.message, "the middle")


# ---- traces

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)


@orchestrator
def traced(ctx, _):
    yield ctx.call_activity("echo", input=1)
    yield ctx.call_activity("echo", input=2)
    return (yield ctx.call_sub_orchestrator("add_one", input=1))


@case("3.19; 6.6 Tracing")
def all_spans_of_an_orchestration_are_one_trace(t):
    with trace.get_tracer("conformance").start_as_current_span("root") as root:
        instance = t.start("traced")
    completed(t.done(instance), 2)
    wanted = root.get_span_context().trace_id

    def mine(prefix):
        return [span for span in exporter.get_finished_spans()
                if span.context.trace_id == wanted and span.name.startswith(prefix)]

    until(lambda: mine("orchestration:traced"), 5)
    until(lambda: len([one for one in mine("activity:echo")
                       if one.kind == trace.SpanKind.SERVER]) == 2, 5)
    equal(len(mine("create_orchestration:traced")), 1)
    assert mine("orchestration:add_one")
    history = t.history(instance)
    links = [event.parent_trace_context.trace_parent for event in history
             if getattr(event, "parent_trace_context", None)]
    assert len(links) >= 4, links
    for link in links:
        equal(link.split("-")[1], f"{wanted:032x}")
