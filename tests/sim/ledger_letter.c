/* SPDX-License-Identifier: MIT
 *
 * The ledger: letters (L4).
 *
 * What a turn, or an end, says to another instance is expected when its history is applied, and
 * looked for when the commit is over: a message in the mailbox of the receiver's partition, or,
 * when that is the sender's own, its effect. A message that is taken out of a mailbox is expected
 * to have taken effect in the same way.
 *
 * An effect may be hidden: the receiver may have ended, or begun another execution, in the same
 * commit. Then nothing is said here; what was lost is found when the instance should have ended. */
#include <inttypes.h>

#include "ledger_priv.h"
#include "sim.h"

void ledger_expect(struct ledger *ledger, const struct ledger_due *due)
{
    struct ledger_due *kept = arena_alloc(ledger->arena, sizeof *kept);
    *kept = *due;
    kept->next = NULL;
    *ledger->due_last = kept;
    ledger->due_last = &kept->next;
}

void ledger_expect_end(struct ledger *ledger, const struct ledger_row *row)
{
    ledger_expect(ledger, &(struct ledger_due){
                              .kind = MESSAGE_CHILD_ENDED,
                              .from = row->partition,
                              .id = row->parent_id,
                              .execution_id = row->parent_execution_id,
                              .step = row->parent_step,
                          });
}

/* ---- mailboxes ---- */

static struct ledger_due read_message(struct ledger *ledger, const struct message *message)
{
    struct ledger_due due = {
        .kind = message->kind,
        .id = text_copy(ledger->arena, message->instance_id),
        .execution_id = text_copy(ledger->arena, message->execution_id),
        .step = EVENT_NO_ID,
        .is_home = message->flags >> 31 != 0,
    };
    if (message->kind == MESSAGE_ADOPT || message->kind == MESSAGE_PURGE) {
        return due;
    }
    struct wire_events events = { 0 };
    pd_error err;
    struct text bytes = text_copy(ledger->arena, message->bytes);
    sim_check(ledger->sim,
              wire_read_events(bytes, ledger->arena, &events, &err) == PD_OK && events.count == 1,
              "a message for '%.*s' that cannot be read", TEXT_ARGS(due.id));
    due.event = &events.at[0];
    due.step = due.event->ref;
    due.key = due.event->kind == EVENT_EVENT_RAISED ? ledger_raise_key(ledger, due.event)
                                                    : ledger_entity_key(ledger, due.event);
    if (message->kind == MESSAGE_START) {
        due.key = due.event->payload;
    } else if (message->kind == MESSAGE_CHILD_START || message->kind == MESSAGE_CHILD_ENSURE) {
        due.execution_id = due.event->extra->parent_execution_id;
        due.step = due.event->extra->parent_step;
    }
    return due;
}

void ledger_see_mail(struct ledger *ledger, struct store *store)
{
    for (unsigned i = 0; i < store->partition_count; i++) {
        struct message_page page = { 0 };
        pd_error err;
        sim_check(ledger->sim,
                  store->ops->receive(store, i, ledger->mail_known[i], 100000, ledger->arena, &page,
                                      &err) == PD_OK,
                  "the mailbox cannot be read: %s", err.text);
        struct ledger_mail **last = &ledger->mail[i];
        while (*last != NULL) {
            last = &(*last)->next;
        }
        for (size_t k = 0; k < page.count; k++) {
            struct ledger_mail *mail = arena_alloc(ledger->arena, sizeof *mail);
            sim_check(ledger->sim, page.items[k].number > ledger->mail_known[i],
                      "messages that are not numbered in order");
            mail->number = ledger->mail_known[i] = page.items[k].number;
            mail->due = read_message(ledger, &page.items[k]);
            mail->due.is_received = true;
            *last = mail;
            last = &mail->next;
        }
    }
}

void ledger_receive(struct ledger *ledger, unsigned partition, uint64_t number)
{
    sim_check(ledger->sim, number > ledger->mail_removed[partition],
              "messages up to %" PRIu64 " are received again", number);
    ledger->mail_removed[partition] = number;
    struct ledger_mail *mail = ledger->mail[partition];
    sim_check(ledger->sim, mail != NULL && mail->number <= number,
              "messages up to %" PRIu64 " are received, and there are none", number);
    while (mail != NULL && mail->number <= number) {
        ledger_expect(ledger, &mail->due);
        mail = mail->next;
    }
    ledger->mail[partition] = mail;
}

/* ---- effects ---- */

struct posted {
    struct ledger_due what;
    unsigned from, to;
    bool is_matched;
};

/* What happened to it in this commit may hide what the letter did. */
static bool is_hidden(const struct ledger *ledger, struct text id)
{
    struct ledger_row *row;
    for (size_t cursor = ledger->row_count; (row = ledger_next(ledger, id, &cursor)) != NULL;) {
        if (row->begun == ledger->commits || row->ended_last == ledger->commits ||
            row->renewed == ledger->commits || row->deleted == ledger->commits) {
            return true;
        }
    }
    return false;
}

/* One of this step of this parent; of those that were purged there may be several. NULL: no
 * (further) one. */
static struct ledger_row *child_of(const struct ledger *ledger, const struct ledger_due *due,
                                   size_t *cursor)
{
    while (*cursor < ledger->row_count) {
        struct ledger_row *row = ledger->rows[(*cursor)++];
        if (text_equal(row->parent_execution_id, due->execution_id) &&
            row->parent_step == due->step) {
            return row;
        }
    }
    return NULL;
}

static bool has_child(const struct ledger *ledger, const struct ledger_due *due)
{
    size_t cursor = 0;
    return child_of(ledger, due, &cursor) != NULL;
}

/* Of one that was rewound, a step of the life before may be another kind in this. */
static bool may_end(const struct ledger_step *step, enum message_kind kind)
{
    switch ((int)kind) {
    case MESSAGE_TASK_ENDED: return step->kind == LEDGER_TASK;
    case MESSAGE_ANSWER: return step->kind == LEDGER_CALL || step->kind == LEDGER_LOCK;
    default: return step->kind == LEDGER_CHILD;
    }
}

/* A step that ended: whoever asked waits no more. */
static bool is_heard(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct ledger_row *row = ledger_find(ledger, due->id);
    return !ledger_is_alive(row) || !text_equal(row->execution_id, due->execution_id) ||
           (size_t)due->step >= row->step_count || row->steps[due->step].is_closed ||
           !may_end(&row->steps[due->step], due->kind) || ledger_is_answered(row, due->step);
}

/* Whoever has the id is another's child, or nobody's: the parent is told so. */
static bool is_refused(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct ledger_row *parent = ledger_find_execution(ledger, due->execution_id);
    for (size_t i = 0; i < ledger->posted_count; i++) {
        const struct ledger_due *what = &ledger->posted[i].what;
        if (what->kind == MESSAGE_CHILD_ENDED && what->step == due->step &&
            text_equal(what->execution_id, due->execution_id)) {
            return true;
        }
    }
    struct ledger_due heard = *due;
    heard.id = parent->id;
    return is_heard(ledger, &heard) || is_hidden(ledger, parent->id);
}

static bool has_ended_so(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct event *event = due->event;
    bool has_failed = event->kind == EVENT_CHILD_FAILED;
    unsigned ends = has_failed ? 1u << RUN_FAILED | 1u << RUN_TERMINATED : 1u << RUN_COMPLETED;
    const struct ledger_row *row;
    for (size_t cursor = 0; (row = child_of(ledger, due, &cursor)) != NULL;) {
        if ((row->ends & ends) != 0 && (has_failed || text_equal(row->output, event->payload))) {
            return true;
        }
    }
    return false;
}

/* By an entity, under whatever id. */
static bool is_started(const struct ledger *ledger, struct text input)
{
    for (size_t i = 0; i < ledger->row_count; i++) {
        if (ledger->rows[i]->begun == ledger->commits &&
            text_equal(ledger->rows[i]->input, input)) {
            return true;
        }
    }
    return false;
}

static bool has_effect(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct ledger_row *row = ledger_find(ledger, due->id);
    switch (due->kind) {
    case MESSAGE_START:
        return row != NULL || is_hidden(ledger, due->id) || is_started(ledger, due->key);
    case MESSAGE_RAISE:
        return map_find(&ledger->raised, due->key) != NULL || !ledger_is_alive(row) ||
               is_hidden(ledger, due->id);
    case MESSAGE_TERMINATE:
        return !ledger_is_alive(row) || is_hidden(ledger, due->id) ||
               (text_is_present(due->execution_id) &&
                !text_equal(row->parent_execution_id, due->execution_id));
    case MESSAGE_PURGE: return row == NULL || ledger_is_alive(row) || is_hidden(ledger, due->id);
    case MESSAGE_CHILD_START:
        return has_child(ledger, due) || is_hidden(ledger, due->id) ||
               (ledger_is_alive(row) && is_refused(ledger, due));
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_TASK_ENDED: return is_heard(ledger, due) || is_hidden(ledger, due->id);
    case MESSAGE_CHILD_ENSURE:
        return due->event == NULL || due->is_received || has_ended_so(ledger, due);
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME:
    case MESSAGE_REWIND:
    case MESSAGE_ADOPT: return true; /* calls_check_mail */
    case MESSAGE_ANSWER: return is_heard(ledger, due) || is_hidden(ledger, due->id);
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_CANCEL_SIGNAL: return ledger_entity_has(ledger, due);
    }
    return false;
}

/* ---- after a commit ---- */

static struct posted *read_posted(struct ledger *ledger, const struct batch *const *batches,
                                  size_t count, size_t *ret_count)
{
    struct posted *posted = NULL;
    size_t room = 0;
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (const struct mutation *m = batches[i]->first; m != NULL; m = m->next) {
            if (m->kind != MUTATION_MAILBOX_PUT) {
                continue;
            }
            LEDGER_ROOM(ledger, posted, *ret_count, room);
            posted[(*ret_count)++] = (struct posted){
                .what = read_message(ledger, m->message),
                .from = batches[i]->partition,
                .to = m->message->partition,
            };
            sim_check(ledger->sim, (batches[i]->mailed >> m->message->partition & 1) != 0,
                      "partition %u is not told of its mail", m->message->partition);
        }
    }
    return posted;
}

static bool is_posted(const struct posted *posted, const struct ledger_due *due)
{
    const struct ledger_due *what = &posted->what;
    if (due->kind == MESSAGE_START) { /* of an id that core may have made */
        return posted->from == due->from && !posted->is_matched && what->kind == due->kind &&
               text_equal(what->key, due->key) &&
               (!text_is_present(due->id) || text_equal(what->id, due->id));
    }
    return posted->from == due->from && !posted->is_matched && what->kind == due->kind &&
           text_equal(what->id, due->id) && text_equal(what->key, due->key) &&
           (due->kind == MESSAGE_RAISE || text_equal(what->execution_id, due->execution_id)) &&
           (due->kind == MESSAGE_TERMINATE || due->kind == MESSAGE_RAISE ||
            what->step == due->step);
}

/* True: it is in the right mailbox. `last` says where the one before was, for each receiver. There
 * may be another like it that is not expected: a fork asks what its source has asked. */
static bool find_posted(struct ledger *ledger, struct posted *posted, size_t count,
                        const struct ledger_due *due, size_t last[64][64])
{
    bool is_overtaken = false;
    for (size_t i = 0; i < count; i++) {
        if (!is_posted(&posted[i], due)) {
            continue;
        }
        unsigned to = partition_of(posted[i].what.id, ledger->sim->partition_count);
        sim_check(ledger->sim, posted[i].to == to, "a letter for '%.*s' in the mailbox of %u",
                  TEXT_ARGS(due->id), posted[i].to);
        if (i + 1 > last[due->from][to]) {
            posted[i].is_matched = true;
            last[due->from][to] = i + 1;
            return true;
        }
        is_overtaken = true;
    }
    sim_check(ledger->sim, !is_overtaken,
              "a letter for '%.*s' was overtaken by a later one of its sender (C8)",
              TEXT_ARGS(due->id));
    return false;
}

/* C8: of letters for one instance none goes before those that wait in the sender's own mailbox. */
static bool is_overtaking(const struct ledger *ledger, const struct ledger_due *due)
{
    for (const struct ledger_mail *m = ledger->mail[due->from]; m != NULL; m = m->next) {
        if (m->due.is_home && text_equal(m->due.id, due->id)) {
            return true;
        }
    }
    return false;
}

/* Whether a copied history has a child open still, and asks for it, is not known here. */
static bool is_perhaps(const struct ledger_due *due)
{
    return due->kind == MESSAGE_CHILD_ENSURE && due->event == NULL;
}

/* A child whose end has come in with what made its parent stop it: it is in no inbox, and nobody
 * stops the child; which may live again, rewound. */
static bool is_needless(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct ledger_row *row = ledger_find(ledger, due->id);
    for (const struct ledger_due *d = ledger->dues; d != NULL; d = d->next) {
        if (d->kind == MESSAGE_CHILD_ENDED && d->step == due->step &&
            text_equal(d->execution_id, due->execution_id)) {
            return due->kind == MESSAGE_TERMINATE;
        }
    }
    return due->kind == MESSAGE_TERMINATE &&
           (row == NULL || (row->ended != 0 && row->ended_last < ledger->commits));
}

/* Of letters of turns and those of operations, each among themselves, the order is known. */
void ledger_check_letters(struct ledger *ledger, const struct batch *const *batches, size_t count)
{
    static size_t last[2][64][64]; /* of one thread; large */
    bool goes_home[2][64] = { { false } };
    ledger->posted = read_posted(ledger, batches, count, &ledger->posted_count);
    memset(last, 0, sizeof last);
    for (const struct ledger_due *due = ledger->dues; due != NULL; due = due->next) {
        bool is_said = !due->is_received && (due->kind != MESSAGE_CHILD_ENSURE || is_perhaps(due));
        unsigned to = partition_of(due->id, ledger->sim->partition_count);
        if (is_said &&
            find_posted(ledger, ledger->posted, ledger->posted_count, due, last[due->is_of_run])) {
            goes_home[due->is_of_run][due->from] |= to == due->from;
            continue;
        }
        if (is_perhaps(due) || is_needless(ledger, due)) {
            continue;
        }
        bool is_local = !is_said || due->kind == MESSAGE_TERMINATE || to == due->from ||
                        !text_is_present(due->id);
        sim_check(ledger->sim, is_local && has_effect(ledger, due),
                  "a letter of kind %d for '%.*s' (step %d, raise %.*s) was %s", due->kind,
                  TEXT_ARGS(due->id), due->step, TEXT_ARGS(due->key),
                  due->is_received ? "received without effect" : "lost");
        if (due->kind == MESSAGE_CANCEL_SIGNAL) {
            ledger_void_request(ledger, due);
        }
        sim_check(ledger->sim,
                  !is_said || to != due->from ||
                      (!goes_home[due->is_of_run][due->from] && !is_overtaking(ledger, due)),
                  "a letter of kind %d for '%.*s' overtook one that waits (C8)", due->kind,
                  TEXT_ARGS(due->id));
    }
}
