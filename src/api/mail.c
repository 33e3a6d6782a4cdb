/* SPDX-License-Identifier: MIT
 *
 * The mailbox as a client sees it: starts and events for an engine that runs elsewhere, or later.
 *
 *   M1  A message is durable when accept returns; its effect comes when an engine takes it.
 *   M2  accept takes all of its messages or none. Where one of many is refused (PD_E_EXISTS), the
 *       others are found by halving, so that k refusals among n cost k log n attempts.
 *   M3  The time in the message is that of the call; an engine gives its own when it takes it, and
 *       keeps the execution id.
 */
#include "api/api_priv.h"
#include "base/buffer.h"
#include "wire/wire.h"

enum { PORTION = 4096, PAGE = 256 };

struct letters {
    pd_hub *hub;
    struct message *messages;
    pd_status *statuses;
    size_t *ends;    /* of the bytes of each start of a portion */
    pd_status first; /* failure, by place, */
    pd_error *err;   /* and its reason */
    pd_error latest; /* the reason of the last failure */
};

static void refuse(struct letters *letters, size_t from, size_t count, const pd_error *reason)
{
    for (size_t i = from; i < from + count; i++) {
        letters->statuses[i] = reason->status;
    }
    if (letters->first == PD_OK) {
        letters->first = reason->status;
        *letters->err = *reason;
    }
}

/* False: the store is in trouble, and what follows would fail as well. */
static bool send_some(struct letters *letters, size_t from, size_t count)
{
    struct store *store = letters->hub->store;
    pd_error *reason = &letters->latest;
    pd_status status = store->ops->accept(store, letters->messages + from, count, reason);
    if (status == PD_OK) {
        for (size_t i = from; i < from + count; i++) {
            letters->statuses[i] = PD_OK;
        }
        return true;
    }
    if (status == PD_E_EXISTS && count > 1) { /* M2 */
        size_t half = count / 2;
        if (send_some(letters, from, half)) {
            return send_some(letters, from + half, count - half);
        }
        refuse(letters, from + half, count - half, reason);
        return false;
    }
    refuse(letters, from, count, reason);
    return status == PD_E_EXISTS;
}

/* The bytes of a start, appended. */
static void write_start(struct buffer *buffer, const struct start_command *command, time_us now)
{
    char execution_id[33];
    engine_new_id(execution_id);
    struct event event = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .name = command->name,
        .version = command->version,
        .payload = command->input,
        .instance_id = command->id,
        .execution_id = text_make(execution_id, 32),
    };
    wire_write_event(buffer, &event);
}

static bool send_portion(struct letters *letters, const struct start_command *commands, size_t from,
                         size_t count)
{
    struct store *store = letters->hub->store;
    struct buffer buffer;
    buffer_init(&buffer);
    size_t *ends = letters->ends;
    time_us now = api_now();
    for (size_t i = 0; i < count; i++) {
        write_start(&buffer, &commands[from + i], now);
        ends[i] = buffer.size;
    }
    for (size_t i = 0; i < count; i++) {
        size_t begin = i > 0 ? ends[i - 1] : 0;
        letters->messages[from + i] = (struct message){
            .kind = MESSAGE_START,
            .flags = STATES_ENDED,
            .partition = partition_of(commands[from + i].id, store->partition_count),
            .instance_id = commands[from + i].id,
            .bytes = text_make((const char *)buffer.at + begin, ends[i] - begin),
        };
    }
    bool goes_on = send_some(letters, from, count);
    buffer_done(&buffer);
    return goes_on;
}

pd_status mail_starts(pd_hub *hub, const struct start_command *commands, size_t count,
                      pd_status *statuses, pd_error *err)
{
    struct arena arena;
    arena_init(&arena);
    struct letters letters = {
        .hub = hub,
        .messages = arena_alloc(&arena, count * sizeof(struct message)),
        .statuses = statuses,
        .ends = arena_alloc(&arena, PORTION * sizeof(size_t)),
        .first = PD_OK,
        .err = err,
    };
    atomic_store(&hub->has_mailed_start, true);
    for (size_t from = 0; from < count; from += PORTION) {
        size_t portion = count - from < PORTION ? count - from : PORTION;
        if (!send_portion(&letters, commands, from, portion)) {
            size_t rest = from + portion;
            refuse(&letters, rest, count - rest, &letters.latest);
            break;
        }
    }
    arena_done(&arena);
    return letters.first;
}

pd_status mail_raise(pd_hub *hub, struct text id, struct text name, struct text payload,
                     pd_error *err)
{
    struct store *store = hub->store;
    struct buffer buffer;
    buffer_init(&buffer);
    struct event event = {
        .kind = EVENT_EVENT_RAISED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = api_now(),
        .name = name,
        .payload = payload,
    };
    wire_write_event(&buffer, &event);
    struct message message = {
        .kind = MESSAGE_RAISE,
        .partition = partition_of(id, store->partition_count),
        .instance_id = id,
        .bytes = buffer_text(&buffer),
    };
    pd_status status = store->ops->accept(store, &message, 1, err);
    buffer_done(&buffer);
    return status;
}

/* ---- looking into it ------------------------------------------------------------------------ */

static pd_status record_of_start(const struct message *message, struct arena *arena,
                                 struct instance_record *ret, pd_error *err)
{
    struct wire_events events = { NULL, 0, 0 };
    struct text bytes = text_copy(arena, message->bytes);
    pd_status status = wire_read_events(bytes, arena, &events, err);
    if (status != PD_OK) {
        return status;
    }
    if (events.count != 1 || events.at[0].kind != EVENT_EXECUTION_STARTED) {
        return error_set(err, PD_E_CORRUPT, false, "hub: mailbox",
                         "a start in the mailbox is not the start of an instance");
    }
    const struct event *event = &events.at[0];
    *ret = (struct instance_record){
        .partition = message->partition,
        .id = text_copy(arena, message->instance_id),
        .execution_id = event->execution_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .state = RUN_PENDING,
        .created_at = event->at,
        .updated_at = event->at,
    };
    return PD_OK;
}

pd_status mail_find_start(pd_hub *hub, struct text id, struct arena *arena,
                          struct instance_record *ret, bool *ret_found, pd_error *err)
{
    struct store *store = hub->store;
    unsigned partition = partition_of(id, store->partition_count);
    struct message_page page = { NULL, 0 };
    uint64_t after = 0;
    pd_status status;
    struct arena pages;
    arena_init(&pages);
    *ret_found = false;
    do {
        arena_reset(&pages);
        status = store->ops->receive(store, partition, after, PAGE, &pages, &page, err);
        for (size_t i = 0; status == PD_OK && i < page.count && !*ret_found; i++) {
            after = page.items[i].number;
            if (page.items[i].kind == MESSAGE_START && text_equal(page.items[i].instance_id, id)) {
                status = record_of_start(&page.items[i], arena, ret, err);
                *ret_found = status == PD_OK;
            }
        }
    } while (status == PD_OK && !*ret_found && page.count == PAGE);
    arena_done(&pages);
    return status;
}

static bool is_asked_for(const struct store_query *query, const struct instance_record *record)
{
    return (query->states == 0 || (query->states >> RUN_PENDING & 1) != 0) &&
           text_has_prefix(record->id, query->id_prefix) &&
           (!text_is_present(query->name) || text_equal(record->name, query->name)) &&
           (query->created_from == 0 || record->created_at >= query->created_from) &&
           (query->created_to == 0 || record->created_at <= query->created_to);
}

/* One message of a query. It is decoded for good only when it was asked for. */
static pd_status look_at(const struct message *message, const struct store_query *query, size_t max,
                         struct arena *scratch, struct arena *arena, struct mail_page *page,
                         pd_error *err)
{
    struct instance_record record;
    if (message->kind != MESSAGE_START) {
        return PD_OK;
    }
    pd_status status = record_of_start(message, scratch, &record, err);
    if (status != PD_OK || !is_asked_for(query, &record)) {
        return status;
    }
    if (page->count == max) {
        page->has_more = true;
        return PD_OK;
    }
    return record_of_start(message, arena, &page->items[page->count++], err);
}

pd_status mail_query(pd_hub *hub, const struct store_query *query, size_t max,
                     struct mail_place *place, struct arena *arena, struct mail_page *ret,
                     pd_error *err)
{
    struct store *store = hub->store;
    struct message_page page = { NULL, 0 };
    struct mail_place at = *place;
    pd_status status = PD_OK;
    struct arena pages;
    arena_init(&pages);
    ret->count = 0;
    ret->has_more = false;
    while (status == PD_OK && !ret->has_more && at.partition < store->partition_count) {
        arena_reset(&pages);
        status = store->ops->receive(store, at.partition, at.number, PAGE, &pages, &page, err);
        for (size_t i = 0; status == PD_OK && i < page.count && !ret->has_more; i++) {
            size_t before = ret->count;
            status = look_at(&page.items[i], query, max, &pages, arena, ret, err);
            at.number = page.items[i].number;
            if (ret->count != before) {
                *place = at;
            }
        }
        if (status == PD_OK && page.count < PAGE && !ret->has_more) {
            at = (struct mail_place){ at.partition + 1, 0 };
        }
    }
    arena_done(&pages);
    return status;
}
