/* SPDX-License-Identifier: MIT
 *
 * The mailbox as a client sees it: letters for an engine that runs elsewhere, or later.
 *
 *   M1  A message is durable when accept returns; its effect comes when an engine takes it.
 *   M2  accept takes all of its messages or none. Where one of many is refused for what it says,
 *       the others are found by halving, so that k refusals among n cost k log n attempts.
 *   M3  The time in the message is that of the call; an engine gives its own when it takes it, and
 *       keeps the execution id.
 *
 *   M4  A store that takes each message for itself is a server's, whose engine takes it at once:
 *   its
 *       mailbox is always empty, and nobody needs to look there.
 *
 * What lies in the mailbox and will be an instance (a start, an archive to adopt) is looked at by
 * mail_look.c.
 */
#include "api/api_priv.h"
#include "wire/wire.h"

enum { PORTION = 4096 };

/* One call's worth of messages. */
struct post {
    pd_hub *hub;
    pd_status *statuses;
    pd_status first;      /* failure, by place, */
    pd_error *err;        /* and its reason */
    pd_error latest;      /* the reason of the last failure */
    struct arena arena;   /* of a portion, like the buffer */
    struct buffer buffer; /* its events */
    struct message *messages;
};

static void post_init(struct post *post, pd_hub *hub, pd_status *statuses, pd_error *err)
{
    *post = (struct post){ .hub = hub, .statuses = statuses, .first = PD_OK, .err = err };
    arena_init(&post->arena);
    buffer_init(&post->buffer);
}

static pd_status post_done(struct post *post)
{
    buffer_done(&post->buffer);
    arena_done(&post->arena);
    return post->first;
}

static void refuse(struct post *post, size_t from, size_t count, const pd_error *reason)
{
    for (size_t i = from; i < from + count; i++) {
        post->statuses[i] = reason->status;
    }
    if (post->first == PD_OK && count > 0) {
        post->first = reason->status;
        *post->err = *reason;
    }
}

/* It is about one of the messages, not about the store. */
static bool is_about_one(pd_status status)
{
    return status == PD_E_EXISTS || status == PD_E_NOT_FOUND || status == PD_E_STATE;
}

static void note_sent(struct post *post, const struct message *messages, size_t from, size_t count)
{
    uint64_t starts = 0;
    uint64_t operations = 0;
    for (size_t i = 0; i < count; i++) {
        post->statuses[from + i] = PD_OK;
        starts += mail_is_start(messages[i].kind);
        operations += mail_is_operation(messages[i].kind);
    }
    atomic_fetch_add(&post->hub->starts.sent, starts);
    atomic_fetch_add(&post->hub->operations.sent, operations);
}

/* M4 */
static bool send_each(struct post *post, const struct message *messages, size_t from, size_t count)
{
    struct store *store = post->hub->store;
    pd_status status =
        store->ops->accept_each(store, messages, count, post->statuses + from, &post->latest);
    if (status != PD_OK && post->first == PD_OK) {
        post->first = status;
        *post->err = post->latest;
    }
    return status == PD_OK || is_about_one(status);
}

/* Messages that are statuses[from ...]. False: the store is in trouble, and what follows would
 * fail as well. */
static bool send_some(struct post *post, const struct message *messages, size_t from, size_t count)
{
    struct store *store = post->hub->store;
    pd_error *reason = &post->latest;
    pd_status status = store->ops->accept(store, messages, count, reason);
    if (status == PD_OK) {
        note_sent(post, messages, from, count);
        return true;
    }
    if (is_about_one(status) && count > 1) { /* M2 */
        size_t half = count / 2;
        if (send_some(post, messages, from, half)) {
            return send_some(post, messages + half, from + half, count - half);
        }
        refuse(post, from + half, count - half, reason);
        return false;
    }
    refuse(post, from, count, reason);
    return is_about_one(status);
}

/* The letters of a portion, which are statuses[from ...]. */
static bool send_portion(struct post *post, const struct letter *letters, size_t from, size_t count)
{
    pd_hub *hub = post->hub;
    struct message *messages = arena_alloc(&post->arena, count * sizeof *messages);
    buffer_reset(&post->buffer);
    for (size_t i = 0; i < count; i++) { /* the buffer moves: sizes first */
        size_t before = post->buffer.size;
        if (letters[i].event != NULL) {
            wire_write_event(&post->buffer, letters[i].event);
        }
        messages[i].bytes.size = post->buffer.size - before;
    }
    const char *at = (const char *)post->buffer.at;
    for (size_t i = 0; i < count; i++) {
        const struct letter *letter = &letters[i];
        struct text bytes = letter->bytes;
        if (letter->event != NULL) {
            bytes = text_make(at, messages[i].bytes.size);
            at += bytes.size;
        }
        messages[i] = (struct message){
            .kind = letter->kind,
            .flags = letter->flags,
            .partition = partition_of(letter->instance_id, hub->store->partition_count),
            .instance_id = letter->instance_id,
            .execution_id = letter->execution_id,
            .bytes = bytes,
        };
    }
    return hub->store->ops->accept_each != NULL ? send_each(post, messages, from, count)
                                                : send_some(post, messages, from, count);
}

pd_status mail_letters(pd_hub *hub, const struct letter *letters, size_t count, pd_status *statuses,
                       pd_error *err)
{
    struct post post;
    post_init(&post, hub, statuses, err);
    bool goes_on = true;
    for (size_t from = 0; from < count; from += PORTION) {
        size_t portion = count - from < PORTION ? count - from : PORTION;
        arena_reset(&post.arena);
        if (goes_on) {
            goes_on = send_portion(&post, letters + from, from, portion);
        } else {
            refuse(&post, from, portion, &post.latest);
        }
    }
    return post_done(&post);
}

static void write_start(const struct start_command *command, time_us now, struct arena *arena,
                        struct letter *ret)
{
    char minted[33];
    engine_new_id(minted);
    struct event *event = arena_alloc_raw(arena, sizeof *event);
    *event = (struct event){
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .fire_at = command->starts_at > now ? command->starts_at : 0,
        .name = command->name,
        .version = command->version,
        .payload = command->input,
        .instance_id = command->id,
        .execution_id = text_make(arena_copy(arena, minted, 32), 32),
        .extra = command->extra,
    };
    *ret = (struct letter){
        .kind = MESSAGE_START,
        .flags = command->replaces,
        .instance_id = command->id,
        .event = event,
    };
}

pd_status mail_starts(pd_hub *hub, const struct start_command *commands, size_t count,
                      pd_status *statuses, pd_error *err)
{
    struct post post;
    post_init(&post, hub, statuses, err);
    time_us now = api_now();
    bool goes_on = true;
    for (size_t from = 0; from < count; from += PORTION) {
        size_t portion = count - from < PORTION ? count - from : PORTION;
        arena_reset(&post.arena);
        struct letter *letters = arena_alloc_raw(&post.arena, portion * sizeof *letters);
        for (size_t i = 0; goes_on && i < portion; i++) {
            write_start(&commands[from + i], now, &post.arena, &letters[i]);
        }
        if (goes_on) {
            goes_on = send_portion(&post, letters, from, portion);
        } else {
            refuse(&post, from, portion, &post.latest);
        }
    }
    return post_done(&post);
}
