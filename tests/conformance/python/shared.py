# SPDX-License-Identifier: MIT
"""Activities, orchestrators and entities that several cases use."""

from harness import DurableEntity, activity, bump, entity, orchestrator, time


@activity
def echo(_, value):
    return value


@activity
def plus_one(_, n):
    return n + 1


@activity
def boom(_, message):
    raise RuntimeError(message)


@activity
def tally(_, key):
    """Counts how often it ran under this key."""
    return bump(key)


@activity
def flaky(_, given):
    """Fails the first `failures` times under this key."""
    n = bump(given["key"])
    if n <= given["failures"]:
        raise RuntimeError(f"{given.get('text', 'not yet')} {n}")
    return n


@activity
def after(_, given):
    """Sleeps, then fails or answers."""
    time.sleep(given["ms"] / 1000)
    if "error" in given:
        raise RuntimeError(given["error"])
    return given["value"]


@orchestrator
def empty(_ctx, _input):
    return "done"


@orchestrator
def returns_input(_ctx, given):
    return given


@orchestrator
def add_one(ctx, n):
    return (yield ctx.call_activity("plus_one", input=n))


@orchestrator
def wait_for_go(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


@orchestrator
def same_events(ctx, n):
    got = []
    for _ in range(n):
        got.append((yield ctx.wait_for_external_event("item")))
    return got


@orchestrator
def always_fails(ctx, message):
    yield ctx.call_activity("boom", input=message or "always")


@entity
def counter(ctx, given):
    """As a function: the operation's name is looked at by hand."""
    state = ctx.get_state(int, 0)
    if ctx.operation == "add":
        state += 1 if given is None else given
        ctx.set_state(state)
        return state
    if ctx.operation == "get":
        return state
    if ctx.operation == "reset":
        ctx.set_state(0)
        return None
    if ctx.operation == "remove":
        ctx.set_state(None)
        return None
    if ctx.operation == "slowly":
        time.sleep(given / 1000)
        ctx.set_state(state + 1)
        return state + 1
    if ctx.operation == "fail":
        ctx.set_state(state + 1000)
        raise ValueError(given or "no")
    raise AttributeError(f"no operation {ctx.operation}")


class Journal(DurableEntity):
    """As a class."""

    def append(self, item):
        items = self.get_state(list, [])
        items.append(item)
        self.set_state(items)
        return len(items)

    def list(self):
        return self.get_state(None, [])

    def fail(self, message):
        self.append("must be rolled back")
        raise KeyError(message)


entity(Journal)
