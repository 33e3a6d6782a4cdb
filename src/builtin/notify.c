/* SPDX-License-Identifier: MIT
 *
 * perdure.notify: tells somebody outside what has happened to an instance. The core starts one for
 * each change that a server's settings want told (core/announce.c), in the batch of the change.
 *
 * Its input: {"to": [{"webhook": name, "total": ms}], "event": a CloudEvent, "result": what of it
 * some of them hear, "first": ms}. Each of them is an activity of its own, which the server makes a
 * request of (server/webhooks.h): URL, secret and signature are not here, and so in no history.
 *
 *   T1  One attempt is one execution: then it continues as new with those that are left. So a
 *       delivery takes the same room however often it is tried.
 *   T2  An attempt comes after what a receiver has asked for (Retry-After), or else ever more time;
 *       not later than after DELAY_MOST_MS, and for none when its `total` is over.
 *   T3  When a delivery is given up the instance has failed, with the activity that failed in its
 *       last execution: so a rewind tries it again. Those that were given up earlier than others
 *       are asked for once more at the end for that reason. */
#include "builtin/builtin.h"
#include "builtin/http.h"

enum { DELAY_MOST_MS = 3600 * 1000, JITTER_PERCENT = 20 };

/* An attempt: those it goes to, and what came of it. */
struct round {
    pd_value to, event, result;
    const pd_failure **failures; /* of each; NULL: it has it */
    const pd_failure *failure;   /* of the last that failed; NULL: none has */
    int64_t asked_ms;            /* the latest Retry-After; 0: none */
};

static void look_at(pd_orchestration *o, struct round *round, size_t i, pd_task *delivery)
{
    int64_t at;
    if (pd_wait(o, delivery)) {
        return;
    }
    round->failure = round->failures[i] = pd_task_failure(delivery);
    const pd_failure *after = round->failure->cause;
    if (after != NULL && http_read_retry_after(after->message, pd_now(o).ms, &at) &&
        at > round->asked_ms) {
        round->asked_ms = at;
    }
}

static void deliver(pd_orchestration *o, struct round *round)
{
    size_t count = pd_count(round->to);
    if (count == 0) {
        return;
    }
    pd_task **deliveries = pd_alloc(o, count * sizeof *deliveries);
    round->failures = pd_alloc(o, count * sizeof *round->failures);
    for (size_t i = 0; i < count; i++) {
        round->failures[i] = NULL;
        deliveries[i] = pd_start_activity(o, BUILTIN_DELIVER,
                                          PD_OBJ("webhook", pd_get(pd_at(round->to, i), "webhook"),
                                                 "event", round->event, "result", round->result));
    }
    (void)pd_wait_all(o, deliveries, count);
    for (size_t i = 0; i < count; i++) {
        look_at(o, round, i, deliveries[i]);
    }
}

/* T2. When the next attempt begins. */
static int64_t next_at(pd_orchestration *o, const struct round *round, int64_t delay)
{
    int64_t now = pd_now(o).ms;
    int64_t part = (int64_t)(pd_random(o) % (JITTER_PERCENT + 1));
    int64_t at = now + delay - delay * part / 100;
    at = round->asked_ms > at ? round->asked_ms : at;
    return at < now + DELAY_MOST_MS ? at : now + DELAY_MOST_MS;
}

/* Those that failed and are tried again, `spent` after the first time; to `gone` those that are
 * not. */
static pd_value left_of(pd_orchestration *o, const struct round *round, int64_t spent,
                        pd_list *gone)
{
    pd_list *left = pd_list_new(o);
    for (size_t i = 0; i < pd_count(round->to); i++) {
        const pd_failure *failure = round->failures[i];
        pd_value to = pd_at(round->to, i);
        if (failure != NULL) {
            bool is_over = failure->final || spent > pd_int(pd_get(to, "total"));
            pd_list_add(is_over ? gone : left, to);
        }
    }
    return pd_of_list(left);
}

static pd_result give_up(pd_orchestration *o, const struct round *round, pd_value gone)
{
    struct round last = { .to = gone, .event = round->event, .result = round->result };
    deliver(o, &last); /* T3 */
    const pd_failure *failure = round->failure != NULL ? round->failure : last.failure;
    if (failure == NULL) {
        return pd_ok(o, PD_NULL);
    }
    pd_log(o, "a delivery is given up: %s", failure->message);
    return pd_fail_with(o, failure);
}

pd_result notify_run(pd_orchestration *o, pd_value input)
{
    struct round round = { .to = PD_NULL };
    long long first, since = pd_now(o).ms, delay = 0;
    pd_value before = PD_NULL; /* those that were given up in executions before */
    pd_list *gone = pd_list_new(o);
    if (pd_parent_id(o) != NULL) {
        return pd_fail_final(o, "Misuse", BUILTIN_NOTIFY " is the server's own");
    }
    pd_read(o, input, "to", &round.to, "event", &round.event, "first", &first, "result?",
            &round.result, "since?", &since, "delay?", &delay, "gone?", &before);
    delay = delay == 0 ? first : delay < DELAY_MOST_MS ? 2 * delay : delay;
    for (size_t i = 0; i < pd_count(before); i++) {
        pd_list_add(gone, pd_at(before, i));
    }
    deliver(o, &round);
    int64_t at = round.failure != NULL ? next_at(o, &round, delay) : 0;
    pd_value left = left_of(o, &round, at - since, gone);
    if (pd_count(left) == 0) {
        return give_up(o, &round, before);
    }
    pd_sleep_until(o, (pd_time){ at });
    return pd_continue_as_new(o, PD_OBJ("to", left, "event", round.event, "result", round.result,
                                        "first", first, "since", since, "delay", delay, "gone",
                                        pd_of_list(gone)));
}
