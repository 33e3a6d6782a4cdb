/* SPDX-License-Identifier: MIT
 *
 * Notices: what core announces (core/announce.c), against what has become durable.
 *
 *   N1  A commit that has a change of an instance has exactly one start of CORE_NOTIFY for it: as a
 *       row, or in a mailbox on its way to one. No commit before or after it has.
 *   N2  There is none for what no commit has: what was lost in a crash is announced when it happens
 *       again, or not at all.
 *   N3  Every one on its way becomes a row, once (at the end; L4 looks after the way).
 *   N4  It says which instance, execution and state the ledger has.
 *
 * A suspension that came and went with the end of its execution leaves no trace: of that N2 knows
 * nothing. Nor has the ledger an instance that came and went in one commit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ledger_priv.h"
#include "sim.h"

struct notice {
    uint64_t row;
    enum announcement_kind kind;
    bool is_told, is_there; /* by a start; which is a row */
    bool has_happened;
    struct text input;
};

/* ---- core asks what it shall say ------------------------------------------------------------- */

/* No webhook: it has ended at once. */
bool notices_write(void *argument, const struct announcement *it, struct buffer *json)
{
    (void)argument;
    buffer_printf(json,
                  "{\"to\":[],\"event\":{},\"first\":1,\"of\":\"%.*s\","
                  "\"execution\":\"%.*s\",\"state\":%d}",
                  TEXT_ARGS(it->id), TEXT_ARGS(it->execution_id), (int)it->state);
    return true;
}

/* ---- what is known --------------------------------------------------------------------------- */

/* The first turn's end has a time that its history may not show. */
static struct notice *notice_of(struct ledger *ledger, uint64_t row, enum announcement_kind kind,
                                time_us at)
{
    struct text key = text_of(arena_printf(ledger->arena, "%" PRIu64 ":%d:%" PRId64, row, (int)kind,
                                           kind == ANNOUNCE_STARTED ? 0 : at));
    struct notice *notice = map_find(&ledger->notices_by_key, key);
    if (notice == NULL) {
        notice = arena_alloc(ledger->arena, sizeof *notice);
        notice->row = row;
        notice->kind = kind;
        map_put(&ledger->notices_by_key, key, notice);
    }
    return notice;
}

static void keep(struct ledger *ledger, struct notice *notice)
{
    LEDGER_ROOM(ledger, ledger->notices, ledger->notice_count, ledger->notice_room);
    ledger->notices[ledger->notice_count++] = notice;
}

void ledger_note_change(struct ledger *ledger, const struct ledger_row *row,
                        enum announcement_kind kind, time_us at)
{
    struct notice *notice = notice_of(ledger, row->number, kind, at);
    bool is_known = notice->has_happened; /* from the inbox into history */
    if (!ledger->sim->is_announcing || text_equal(row->name, TEXT(CORE_NOTIFY)) || is_known) {
        return;
    }
    notice->has_happened = true;
    /* What another execution takes over from the one before has another time there; a fork has what
     * waited for its source. */
    bool is_taken_over =
        row->renewed == ledger->commits || (row->is_fork && row->begun == ledger->commits);
    if (!is_taken_over || kind < ANNOUNCE_SUSPENDED) {
        keep(ledger, notice);
    }
}

void ledger_note_event(struct ledger *ledger, const struct ledger_row *row,
                       const struct event *event)
{
    switch ((int)event->kind) {
    case EVENT_EXECUTION_SUSPENDED:
        ledger_note_change(ledger, row, ANNOUNCE_SUSPENDED, event->at);
        break;
    case EVENT_EXECUTION_RESUMED:
        ledger_note_change(ledger, row, ANNOUNCE_RESUMED, event->at);
        break;
    case EVENT_EXECUTION_COMPLETED:
        ledger_note_change(ledger, row,
                           event->outcome == RUN_COMPLETED ? ANNOUNCE_COMPLETED
                           : event->outcome == RUN_FAILED  ? ANNOUNCE_FAILED
                                                           : ANNOUNCE_TERMINATED,
                           event->at);
        break;
    default: break;
    }
}

/* ---- starts ---------------------------------------------------------------------------------- */

static bool read_id(struct text id, uint64_t *ret_row, enum announcement_kind *ret_kind,
                    time_us *ret_at)
{
    char copy[128], name[16];
    long long at;
    (void)snprintf(copy, sizeof copy, "%.*s", TEXT_ARGS(id));
    if (sscanf(copy, CORE_NOTIFY ":%" SCNu64 ":%15[a-z]:%lld", ret_row, name, &at) != 3) {
        return false;
    }
    unsigned kind = 0;
    while (kind < ANNOUNCEMENT_KINDS &&
           strcmp(name, announcement_name((enum announcement_kind)kind)) != 0) {
        kind++;
    }
    *ret_kind = (enum announcement_kind)kind;
    *ret_at = at;
    return kind < ANNOUNCEMENT_KINDS;
}

/* N1, N3. */
static void take_start(struct ledger *ledger, struct text id, struct text input, bool is_row)
{
    struct sim *sim = ledger->sim;
    uint64_t row;
    enum announcement_kind kind;
    time_us at;
    sim_check(sim, read_id(id, &row, &kind, &at), "'%.*s' announces nothing", TEXT_ARGS(id));
    struct notice *notice = notice_of(ledger, row, kind, at);
    sim_check(sim, !(notice->is_told && !is_row) && !(notice->is_there && is_row),
              "'%.*s' is started twice", TEXT_ARGS(id));
    notice->is_there |= is_row;
    if (!notice->is_told) {
        notice->is_told = true;
        notice->input = text_copy(ledger->arena, input);
        keep(ledger, notice);
    }
}

static void take_message(struct ledger *ledger, const struct message *message)
{
    struct wire_events events = { 0 };
    pd_error err;
    if (message->kind == MESSAGE_START &&
        text_has_prefix(message->instance_id, TEXT(CORE_NOTIFY ":"))) {
        sim_check(ledger->sim,
                  wire_read_events(message->bytes, ledger->arena, &events, &err) == PD_OK &&
                      events.count == 1,
                  "'%.*s' has a start that cannot be read", TEXT_ARGS(message->instance_id));
        take_start(ledger, message->instance_id, events.at[0].payload, false);
    }
}

/* ---- after a commit -------------------------------------------------------------------------- */

/* N4 */
static void check_words(struct ledger *ledger, const struct notice *notice,
                        const struct ledger_row *row)
{
    char copy[1024], of[300], execution[300];
    int state;
    (void)snprintf(copy, sizeof copy, "%.*s", TEXT_ARGS(notice->input));
    sim_check(ledger->sim,
              sscanf(copy,
                     "{\"to\":[],\"event\":{},\"first\":1,\"of\":\"%299[^\"]\","
                     "\"execution\":\"%299[^\"]\",\"state\":%d}",
                     of, execution, &state) == 3,
              "a notice says %s", copy);
    bool is_end = notice->kind >= ANNOUNCE_COMPLETED && notice->kind <= ANNOUNCE_TERMINATED;
    static const enum run_state ends[] = { [ANNOUNCE_COMPLETED] = RUN_COMPLETED,
                                           [ANNOUNCE_FAILED] = RUN_FAILED,
                                           [ANNOUNCE_TERMINATED] = RUN_TERMINATED };
    enum run_state expected = is_end                               ? ends[notice->kind]
                              : notice->kind == ANNOUNCE_SUSPENDED ? RUN_SUSPENDED
                                                                   : RUN_RUNNING;
    bool is_other = notice->kind == ANNOUNCE_RESUMED   ? state == RUN_PENDING
                    : notice->kind == ANNOUNCE_STARTED ? state == RUN_SUSPENDED /* meanwhile */
                                                       : false;
    sim_check(ledger->sim, text_equal(text_of(of), row->id) && (state == (int)expected || is_other),
              "a notice of kind %d of '%.*s' says %s", notice->kind, TEXT_ARGS(row->id), copy);
    sim_check(ledger->sim, ledger_find_execution(ledger, text_of(execution)) == row,
              "a notice of '%.*s' says %s", TEXT_ARGS(row->id), copy);
}

static bool leaves_no_trace(const struct ledger *ledger, const struct notice *notice,
                            const struct ledger_row *row)
{
    bool is_end = row->ended_last == ledger->commits || row->renewed == ledger->commits ||
                  row->deleted == ledger->commits;
    return is_end && (notice->kind == ANNOUNCE_SUSPENDED || notice->kind == ANNOUNCE_RESUMED);
}

void ledger_check_notices(struct ledger *ledger, const struct batch *const *batches, size_t count)
{
    struct sim *sim = ledger->sim;
    for (size_t i = 0; i < count; i++) {
        for (const struct mutation *m = batches[i]->first; m != NULL; m = m->next) {
            if (m->kind == MUTATION_MAILBOX_PUT) {
                take_message(ledger, m->message);
            } else if (m->kind == MUTATION_INSTANCE_INSERT &&
                       text_has_prefix(m->instance->id, TEXT(CORE_NOTIFY ":"))) {
                take_start(ledger, m->instance->id, m->instance->input, true);
            }
        }
    }
    for (size_t i = 0; i < ledger->notice_count; i++) {
        const struct notice *notice = ledger->notices[i];
        const struct ledger_row *row = map64_find(&ledger->by_number, notice->row);
        const char *name = announcement_name(notice->kind);
        sim_check(sim, notice->is_told, "row %" PRIu64 " has %s, and nothing announces it (N1)",
                  notice->row, name);
        if (row == NULL) {
            continue;
        }
        sim_check(sim, notice->has_happened || leaves_no_trace(ledger, notice, row),
                  "'%.*s' is announced as %s, which is not durable (N2)", TEXT_ARGS(row->id), name);
        check_words(ledger, notice, row);
    }
    ledger->notice_count = 0;
}

void ledger_check_all_there(struct ledger *ledger)
{
    size_t cursor = 0;
    const struct notice *notice;
    while ((notice = map_next(&ledger->notices_by_key, &cursor)) != NULL) {
        sim_check(ledger->sim, !notice->is_told || notice->is_there,
                  "row %" PRIu64 " was announced as %s, and nobody is there to tell it (N3)",
                  notice->row, announcement_name(notice->kind));
    }
}
