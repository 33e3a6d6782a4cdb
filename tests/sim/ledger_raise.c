/* SPDX-License-Identifier: MIT
 *
 * The ledger: events raised, by clients and by programs. Each is somewhere once: in the inbox, then
 * in the history of one instance; one that an execution has taken for good does not come again. */
#include <inttypes.h>
#include <stdio.h>

#include "ledger_priv.h"
#include "sim.h"

bool ledger_read_raise(const struct event *event, int64_t *ret_sender, int64_t *ret_number)
{
    char text[64];
    if (event->payload.size >= sizeof text) {
        return false;
    }
    memcpy(text, event->payload.at, event->payload.size);
    text[event->payload.size] = '\0';
    return sscanf(text, "{\"from\":%" SCNd64 ",\"n\":%" SCNd64 "}", ret_sender, ret_number) == 2;
}

static struct text key_of(struct arena *arena, int64_t sender, int64_t number)
{
    return text_of(arena_printf(arena, "%" PRId64 " %" PRId64, sender, number));
}

struct text ledger_raise_key(struct ledger *ledger, const struct event *event)
{
    int64_t sender;
    int64_t number;
    if (event->kind != EVENT_EVENT_RAISED) {
        return TEXT_ABSENT;
    }
    sim_check(ledger->sim, ledger_read_raise(event, &sender, &number),
              "an event with the payload %.*s", TEXT_ARGS(event->payload));
    return key_of(ledger->arena, sender, number);
}

bool ledger_has_raised(const struct ledger *ledger, int64_t sender, int64_t number)
{
    return map_find(&ledger->raised, key_of(ledger->arena, sender, number)) != NULL;
}

void ledger_note_raise(struct ledger *ledger, struct ledger_row *row, const struct event *event)
{
    struct text key = ledger_raise_key(ledger, event);
    struct ledger_row *before = map_find(&ledger->raised, key);
    sim_check(ledger->sim,
              before == NULL || before == row || row->is_fork || before->is_fork ||
                  text_has_prefix(key, TEXT("2 ")),
              "one raise for two executions: %.*s", TEXT_ARGS(key));
    if (before == NULL) {
        sim_put(&ledger->raised, key, row);
    }
}

/* ---- lists of keys ---- */

struct keys {
    struct ledger *ledger;
    struct text *at;
    size_t count, room;
};

static void add(struct keys *keys, const struct event *event)
{
    struct text key = ledger_raise_key(keys->ledger, event);
    if (text_is_present(key)) {
        LEDGER_ROOM(keys->ledger, keys->at, keys->count, keys->room);
        keys->at[keys->count++] = key;
    }
}

static bool has(const struct keys *keys, struct text key)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (text_equal(keys->at[i], key)) {
            return true;
        }
    }
    return false;
}

static struct keys keys_in_turns(struct ledger *ledger, const struct ledger_row *row)
{
    struct keys keys = { .ledger = ledger };
    for (size_t t = 0; t < row->turn_count; t++) {
        for (size_t k = 1; k < row->turns[t].inputs; k++) {
            add(&keys, &row->turns[t].events[k]);
        }
    }
    return keys;
}

static void check_owed(struct ledger *ledger, const struct ledger_row *row, const struct keys *keys,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sim_check(ledger->sim, i < keys->count && text_equal(keys->at[i], row->owed[i]),
                  "'%.*s': of the events before, number %zu (%.*s) does not come next",
                  TEXT_ARGS(row->id), i, TEXT_ARGS(row->owed[i]));
    }
}

/* ---- another execution ---- */

/* It gets what was kept, then what had come and no turn had taken. */
static void owe_next(struct ledger *ledger, struct ledger_row *row, const struct keys *seen,
                     const struct spy_turn *turn)
{
    const struct action *last = &turn->actions[turn->action_count - 1];
    struct keys owed = { .ledger = ledger };
    for (size_t i = 0; i < last->kept_count; i++) {
        add(&owed, &last->kept[i]);
        sim_check(ledger->sim, has(seen, owed.at[i]), "'%.*s' keeps an event that never came",
                  TEXT_ARGS(row->id));
    }
    for (size_t i = 0; i < seen->count; i++) {
        if (!has(&owed, seen->at[i])) {
            sim_put(&row->taken, seen->at[i], row);
        }
    }
    for (size_t i = seen->count; i < row->owed_count; i++) {
        LEDGER_ROOM(ledger, owed.at, owed.count, owed.room);
        owed.at[owed.count++] = row->owed[i];
    }
    for (size_t i = 0; i < row->removed_count; i++) {
        struct text key = ledger_raise_key(ledger, row->removed[i].event);
        if (text_is_present(key) && !has(seen, key) && !has(&owed, key)) {
            add(&owed, row->removed[i].event);
        }
    }
    row->owed = owed.at;
    row->owed_count = owed.count;
}

void ledger_owe(struct ledger *ledger, struct ledger_row *row, const struct spy_turn *turn)
{
    struct keys seen = keys_in_turns(ledger, row);
    for (size_t i = 1; turn != NULL && i < turn->event_count; i++) {
        add(&seen, &turn->events[i]);
    }
    check_owed(ledger, row, &seen, row->owed_count < seen.count ? row->owed_count : seen.count);
    if (turn != NULL) {
        owe_next(ledger, row, &seen, turn);
    } else {
        row->owed = seen.at;
        row->owed_count = seen.count;
    }
}

/* ---- after a commit ---- */

static bool may_come_again(const struct ledger *ledger, struct text key)
{
    int64_t sender = 0;
    int64_t number = 0;
    (void)sscanf(key.at, "%" SCNd64 " %" SCNd64, &sender, &number);
    return sender == SENDER_PROGRAM &&
           map64_find(&ledger->rewound_senders, (uint64_t)number >> 12) != NULL;
}

/* Of one program's letters to one instance, the order is the program's. */
static bool is_overtaken(const struct ledger *ledger, struct text first, struct text second)
{
    int64_t senders[2] = { 0 };
    int64_t numbers[2] = { 0 };
    (void)sscanf(first.at, "%" SCNd64 " %" SCNd64, &senders[0], &numbers[0]);
    (void)sscanf(second.at, "%" SCNd64 " %" SCNd64, &senders[1], &numbers[1]);
    return senders[0] == SENDER_PROGRAM && senders[1] == SENDER_PROGRAM &&
           numbers[0] >> 12 == numbers[1] >> 12 && numbers[0] >= numbers[1] &&
           !may_come_again(ledger, first);
}

void ledger_check_raises(struct ledger *ledger, struct ledger_row *row)
{
    if (row->is_deleted || run_state_is_final(row->state)) {
        row->owed_count = 0;
        return;
    }
    struct keys keys = keys_in_turns(ledger, row);
    for (size_t i = 0; i < row->inbox_count; i++) {
        add(&keys, row->inbox[i].event);
    }
    check_owed(ledger, row, &keys, row->owed_count);
    row->owed_count = 0;
    for (size_t i = 0; i < keys.count; i++) {
        sim_check(ledger->sim,
                  map_find(&row->taken, keys.at[i]) == NULL || may_come_again(ledger, keys.at[i]),
                  "'%.*s': raise %.*s comes again", TEXT_ARGS(row->id), TEXT_ARGS(keys.at[i]));
        for (size_t k = 0; k < i && !row->is_fork; k++) {
            sim_check(ledger->sim,
                      !text_equal(keys.at[k], keys.at[i]) || may_come_again(ledger, keys.at[i]),
                      "'%.*s': raise %.*s came twice", TEXT_ARGS(row->id), TEXT_ARGS(keys.at[i]));
            sim_check(ledger->sim, !is_overtaken(ledger, keys.at[k], keys.at[i]),
                      "'%.*s': raise %.*s came before %.*s (C8)", TEXT_ARGS(row->id),
                      TEXT_ARGS(keys.at[k]), TEXT_ARGS(keys.at[i]));
        }
    }
}
