/* SPDX-License-Identifier: MIT
 *
 * What gets killed: a worker that also starts instances, and a second process that starts some by
 * way of the mailbox and raises the events that others wait for. Both terminate, suspend, resume,
 * rewind and purge what is there for that. See crash.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { BATCH = 12 };

static const char *const kinds[] = { "chain", "fan",  "nap",  "ask",  "tree", "loop",  "stop",
                                     "retry", "beat", "trip", "pay",  "hold", "later", "cancel",
                                     "send",  "lock", "grab", "quiz", "wake" };

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

int crash_wrong(const char *what, const pd_error *err)
{
    fprintf(stderr, "crash: %s: %s (%s)\n", what, err->text, err->where);
    return 3;
}

/* ---- starting -------------------------------------------------------------------------------- */

static pd_time soon(uint64_t *random)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return (pd_time){ ms + (int64_t)(crash_random(random) % 300) };
}

/* Some of one kind: by one call each, or by one call for all. */
static int start_some(const struct crash_place *place, pd_hub *hub, const char *kind,
                      unsigned round, unsigned *number, uint64_t *random)
{
    static pd_id ids[BATCH];
    static pd_value inputs[BATCH];
    bool is_later = strcmp(kind, "later") == 0;
    size_t count = 1 + crash_random(random) % BATCH;
    bool many = crash_random(random) % 2 == 0 && !is_later;
    for (size_t i = 0; i < count; i++, (*number)++) {
        snprintf(ids[i].text, sizeof ids[i].text, "%s-%u-%u", kind, round, *number);
        inputs[i] = pd_of_int(crash_input(round, *number));
        crash_note(place->starts, "try", ids[i].text);
    }
    pd_error err;
    if (many) {
        if (pd_hub_start_many(hub, kind, count, inputs, ids, &err) != PD_OK) {
            return crash_wrong("start many", &err);
        }
    }
    for (size_t i = 0; i < count; i++) {
        pd_start_options options = { .id = ids[i].text };
        options.at = is_later ? soon(random) : options.at;
        if (!many && pd_hub_start(hub, kind, inputs[i], &options, NULL, &err) != PD_OK) {
            return crash_wrong("start", &err);
        }
        crash_note(place->starts, "ack", ids[i].text);
    }
    return 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

pd_status crash_order(const struct crash_place *place, pd_hub *hub, const char *word,
                      const char *id, pd_error *err)
{
    char note[32];
    pd_status status = PD_E_INVALID;
    snprintf(note, sizeof note, "try %s", word);
    crash_note(place->orders, note, id);
    if (strcmp(word, "terminate") == 0) {
        status = pd_hub_terminate(hub, id, "over", true, err);
    } else if (strcmp(word, "suspend") == 0) {
        status = pd_hub_suspend(hub, id, "wait", err);
    } else if (strcmp(word, "resume") == 0) {
        status = pd_hub_resume(hub, id, "go on", err);
    } else if (strcmp(word, "rewind") == 0) {
        status = pd_hub_rewind(hub, id, "once more", err);
    } else if (strcmp(word, "purge") == 0) {
        status = pd_hub_purge(hub, id, err);
    }
    if (status == PD_OK) {
        snprintf(note, sizeof note, "ack %s", word);
        crash_note(place->orders, note, id);
    }
    return status;
}

/* It may have ended or gone since it was listed. */
static bool is_refusal(pd_status status)
{
    return status == PD_OK || status == PD_E_STATE || status == PD_E_NOT_FOUND;
}

/* Gives the order to some of those of the kind that are in one of the states. */
static int order_some(const struct crash_place *place, pd_hub *hub, const char *word,
                      const char *kind, unsigned states, uint64_t *random)
{
    pd_error err;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%s-", kind);
    pd_query query = { .states = states, .id_prefix = prefix, .page_size = 8, .roots_only = true };
    PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
    if (page == NULL) {
        return crash_wrong("query", &err);
    }
    for (size_t i = 0; i < pd_page_count(page); i++) {
        if (crash_random(random) % 2 == 0) {
            const char *id = pd_instance_id_of(pd_page_at(page, i));
            pd_status status = crash_order(place, hub, word, id, &err);
            if (!is_refusal(status)) {
                return crash_wrong(word, &err);
            }
        }
    }
    return 0;
}

static int order_any(const struct crash_place *place, pd_hub *hub, uint64_t *random)
{
    static const unsigned lives = 1u << PD_RUN_PENDING | 1u << PD_RUN_RUNNING;
    switch (crash_random(random) % 6) {
    case 5: return order_some(place, hub, "terminate", "grab", lives, random);
    case 0: return order_some(place, hub, "terminate", "stop", lives, random);
    case 1: return order_some(place, hub, "suspend", "hold", lives, random);
    case 2: return order_some(place, hub, "resume", "hold", 1u << PD_RUN_SUSPENDED, random);
    case 3: return order_some(place, hub, "rewind", "trip", 1u << PD_RUN_FAILED, random);
    default: return order_some(place, hub, "purge", "mail", 1u << PD_RUN_COMPLETED, random);
    }
}

static int raise_one(const struct crash_place *place, pd_hub *hub, const char *id, const char *name,
                     int64_t data, const char *word)
{
    pd_error err;
    pd_status status = pd_hub_raise_event(hub, id, name, data, &err);
    if (status == PD_OK) {
        crash_note(place->raises, word, id);
    }
    /* It may have ended since: another of ours was delivered. */
    return status == PD_OK || status == PD_E_STATE ? 0 : crash_wrong("raise", &err);
}

/* The three events of a loop, those that were acknowledged only once: it keeps what it cannot take
 * yet. */
static int raise_ticks(const struct crash_place *place, pd_hub *hub, const char *id)
{
    int code = 0;
    for (int bit = 1; bit <= 4 && code == 0; bit *= 2) {
        char word[16];
        snprintf(word, sizeof word, "ack%d", bit);
        if (crash_count(place->raises, word, id) == 0) {
            code = raise_one(place, hub, id, "tick", bit, word);
        }
    }
    return code;
}

/* Raises what is waited for; it may find one twice before the engine has taken the event in. */
static int raise_some(const struct crash_place *place, pd_hub *hub, const char *kind)
{
    pd_error err;
    char prefix[16];
    int code = 0;
    snprintf(prefix, sizeof prefix, "%s-", kind);
    pd_query query = { .states = 1u << PD_RUN_PENDING | 1u << PD_RUN_RUNNING,
                       .id_prefix = prefix,
                       .page_size = 10 };
    PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
    if (page == NULL) {
        return crash_wrong("query", &err);
    }
    for (size_t i = 0; i < pd_page_count(page) && code == 0; i++) {
        const char *id = pd_instance_id_of(pd_page_at(page, i));
        code = crash_is_kind(id, "loop")
                   ? raise_ticks(place, hub, id)
                   : raise_one(place, hub, id, "go", crash_event_data(id), "ack");
    }
    return code;
}

/* ---- the processes --------------------------------------------------------------------------- */

int crash_worker(const struct crash_place *place, unsigned round, uint64_t seed)
{
    pd_error err;
    struct crash_user user = { place,
                               open(place->runs, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) };
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    if (hub == NULL) {
        return crash_wrong("open", &err);
    }
    size_t count;
    const pd_function *program = crash_program(&count);
    pd_worker_options options = { .user = &user,
                                  .threads = 2,
                                  .orchestrations_max = 50,
                                  .crashes_max = 1000000 /* all that runs is innocent */ };
    PD_AUTO(pd_worker)
    worker = pd_worker_start(hub, program, count, &options, &err);
    if (worker == NULL) {
        return crash_wrong("worker", &err);
    }
    unsigned number = 0;
    struct crash_sayer sayer = { place, hub, .has_worker = true, .round = round, .random = seed };
    snprintf(sayer.name, sizeof sayer.name, "worker-%u", round);
    for (;;) {
        const char *kind = kinds[crash_random(&seed) % (sizeof kinds / sizeof kinds[0])];
        int code = start_some(place, hub, kind, round, &number, &seed);
        if (code == 0) {
            code = crash_say(&sayer);
        }
        if (code == 0 && crash_random(&seed) % 3 == 0) {
            code = order_any(place, hub, &seed);
        }
        if (code != 0) {
            return code;
        }
        sleep_ms((long)(crash_random(&seed) % 20));
    }
}

int crash_second(const struct crash_place *place, unsigned round, uint64_t seed)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    if (hub == NULL) {
        return crash_wrong("second open", &err);
    }
    unsigned number = 0;
    struct crash_sayer sayer = { place, hub, .round = round, .random = seed };
    snprintf(sayer.name, sizeof sayer.name, "second-%u", round);
    for (;;) {
        int code = raise_some(place, hub, "ask");
        if (code == 0) {
            code = crash_say(&sayer);
        }
        if (code == 0) {
            code = raise_some(place, hub, "loop");
        }
        if (code == 0) {
            code = order_any(place, hub, &seed);
        }
        if (code == 0 && crash_random(&seed) % 3 == 0) {
            code = start_some(place, hub, "mail", round, &number, &seed);
        }
        if (code != 0) {
            return code;
        }
        sleep_ms((long)(crash_random(&seed) % 30));
    }
}
