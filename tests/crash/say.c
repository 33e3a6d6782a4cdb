/* SPDX-License-Identifier: MIT
 *
 * What the killed processes say to entities. See crash.h; the lines in `said` are
 *
 *   put K NAME N       the sender has told tally K all of 1 to N
 *   roll N             a signal that signs the roll with this number
 *   undo N             it is taken back; "ack" where that is certain
 *   flash N            a flash with this number
 *   touch N            account N is touched
 *   call K NAME N      a ticket of K is asked for; "ack call K N": N was given
 *
 * with "try " before it is done, and "ack " when it was acknowledged.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crash.h"

enum { MANY = 8, FLOOD = 600 };

static void __attribute__((format(printf, 3, 4)))
note(const struct crash_sayer *sayer, const char *word, const char *format, ...)
{
    char line[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    crash_note(sayer->place->said, word, line);
}

/* One that nobody else uses. */
static int64_t new_number(struct crash_sayer *sayer)
{
    return (sayer->has_worker ? 1000000000 : 2000000000) + crash_input(sayer->round, 0) +
           sayer->numbers++;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* All of them: by one call each, or by one call. */
static int send(struct crash_sayer *sayer, const pd_signal *signals, size_t count)
{
    pd_error err;
    if (count > MANY || crash_random(&sayer->random) % 2 == 0) {
        return pd_hub_signal_many(sayer->hub, signals, count, &err) == PD_OK
                   ? 0
                   : crash_wrong("signal many", &err);
    }
    for (size_t i = 0; i < count; i++) {
        if (pd_hub_signal_entity(sayer->hub, signals[i].entity, signals[i].op, signals[i].input,
                                 NULL, NULL, &err) != PD_OK) {
            return crash_wrong("signal", &err);
        }
    }
    return 0;
}

/* Now and then more than an engine takes in at once. */
static int put(struct crash_sayer *sayer)
{
    static pd_signal signals[FLOOD];
    static pd_value parts[FLOOD][2];
    bool floods = crash_random(&sayer->random) % 8 == 0;
    size_t count = floods ? FLOOD : 1 + crash_random(&sayer->random) % MANY;
    for (size_t i = 0; i < count; i++) {
        parts[i][0] = pd_of_text(sayer->name);
        parts[i][1] = pd_of_int(++sayer->puts);
        signals[i] = (pd_signal){ .entity = crash_entity("Tally", sayer->round), .op = "Put" };
        signals[i].input = (pd_value){ PD_IS_ARRAY, 2, { .items = parts[i] } };
    }
    unsigned tally = sayer->round % CRASH_OTHERS;
    note(sayer, "try", "put %u %s %" PRId64, tally, sayer->name, sayer->puts);
    int code = send(sayer, signals, count);
    if (code == 0) {
        note(sayer, "ack", "put %u %s %" PRId64, tally, sayer->name, sayer->puts);
    }
    return code;
}

static int light(struct crash_sayer *sayer)
{
    pd_signal signals[MANY];
    char keys[MANY][32];
    size_t count = 1 + crash_random(&sayer->random) % MANY;
    int64_t first = sayer->numbers;
    for (size_t i = 0; i < count; i++) {
        int64_t number = new_number(sayer);
        snprintf(keys[i], sizeof keys[i], "%" PRId64, number);
        note(sayer, "try", "flash %s", keys[i]);
        signals[i] = (pd_signal){ PD_ENTITY("flash", keys[i]), "on", pd_of_int(number), { 0 } };
    }
    int code = send(sayer, signals, count);
    for (size_t i = 0; i < count && code == 0; i++) {
        note(sayer, "ack", "flash %s", keys[i]);
    }
    return sayer->numbers - first == (int64_t)count ? code : 4;
}

static int touch(struct crash_sayer *sayer)
{
    pd_error err;
    int64_t number = new_number(sayer);
    note(sayer, "try", "touch %" PRId64, number);
    if (pd_hub_signal_entity(sayer->hub, crash_entity("account", number), "touch", PD_NULL, NULL,
                             NULL, &err) != PD_OK) {
        return crash_wrong("touch", &err);
    }
    note(sayer, "ack", "touch %" PRId64, number);
    return 0;
}

/* Later, and perhaps not at all. */
static int sign(struct crash_sayer *sayer)
{
    pd_error err;
    pd_id id;
    int64_t number = new_number(sayer);
    int64_t due = now_ms() + (int64_t)(crash_random(&sayer->random) % 200);
    pd_entity_id roll = crash_entity("roll", number);
    pd_signal_options options = { .at = { due } };
    note(sayer, "try", "roll %" PRId64, number);
    if (pd_hub_signal_entity(sayer->hub, roll, "sign", PD_ARR(number, due), &options, &id, &err) !=
        PD_OK) {
        return crash_wrong("signal later", &err);
    }
    note(sayer, "ack", "roll %" PRId64, number);
    if (crash_random(&sayer->random) % 2 == 0) {
        return 0;
    }
    note(sayer, "try", "undo %" PRId64, number);
    pd_status status = pd_hub_cancel_signal(sayer->hub, roll, id.text, &err);
    if (status == PD_OK && sayer->has_worker) {
        note(sayer, "ack", "undo %" PRId64, number);
    }
    return status == PD_OK || status == PD_E_NOT_FOUND ? 0 : crash_wrong("cancel signal", &err);
}

/* The id says all of the instance that the entity starts. */
static int hire(struct crash_sayer *sayer)
{
    pd_error err;
    char id[32];
    unsigned number = (unsigned)(sayer->numbers++) + (sayer->has_worker ? 0 : 5000);
    snprintf(id, sizeof id, "hired-%u-%u", sayer->round, number);
    crash_note(sayer->place->starts, "try", id);
    if (pd_hub_signal_entity(sayer->hub, crash_entity("BOSS", number), "hire",
                             PD_ARR(id, crash_input(sayer->round, number)), NULL, NULL,
                             &err) != PD_OK) {
        return crash_wrong("hire", &err);
    }
    crash_note(sayer->place->starts, "told", id);
    return 0;
}

/* There may be nobody just now who answers. */
static int call(struct crash_sayer *sayer)
{
    pd_error err;
    int64_t number = sayer->numbers++;
    unsigned which = (unsigned)number % CRASH_OTHERS;
    bool is_refused = crash_random(&sayer->random) % 4 == 0;
    if (!is_refused) {
        note(sayer, "try", "call %u %s %" PRId64, which, sayer->name, number);
    }
    PD_AUTO(pd_instance)
    answer = pd_hub_call_entity(sayer->hub, crash_entity("ticket", number),
                                is_refused ? "refuse" : "next", PD_NULL, pd_milliseconds(50), &err);
    if (answer == NULL) {
        return err.status == PD_E_TIMEOUT ? 0 : crash_wrong("call", &err);
    }
    const pd_failure *failure = pd_instance_failure(answer);
    if (is_refused) {
        return failure != NULL && strcmp(failure->type, "Refused") == 0 ? 0 : 4;
    }
    note(sayer, "ack", "call %u %s", which, pd_instance_output_json(answer));
    return failure == NULL ? 0 : 4;
}

/* Finds nothing that it might tidy up. */
static int clean(struct crash_sayer *sayer)
{
    pd_error err;
    pd_cleaned cleaned;
    if (pd_hub_clean_entities(sayer->hub, &cleaned, &err) != PD_OK) {
        return crash_wrong("clean", &err);
    }
    return cleaned.removed == 0 && cleaned.unlocked == 0 ? 0 : 5;
}

int crash_say(struct crash_sayer *sayer)
{
    static int (*const ways[])(struct crash_sayer *) = {
        put, put, put, sign, sign, light, light, hire, hire, call, call, touch, touch, clean,
    };
    return ways[crash_random(&sayer->random) % (sizeof ways / sizeof ways[0])](sayer);
}
