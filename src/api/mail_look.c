/* SPDX-License-Identifier: MIT
 *
 * Looking into the mailbox: what lies there and will be an instance, as if it were one.
 *
 * A start, or an archive to adopt, was promised to whoever sent it, and has taken its id (judge.h
 * in store). Until an engine takes it it is shown as an instance in state Pending, also an archive
 * of one that has ended: how it stands is to be seen when it is there.
 */
#include "api/api_priv.h"
#include "base/tags.h"
#include "wire/wire.h"

enum { PAGE = 64 }; /* messages in memory at once; one may be an archive */

/* ---- going through it ----------------------------------------------------------------------- */

/* Message by message, from a place on. */
struct walk {
    struct store *store;
    struct mail_place at; /* behind the message that was given last */
    unsigned end;         /* partition */
    struct message_page page;
    size_t next;            /* of the page */
    bool is_partition_done; /* the page was its last */
    struct arena arena;     /* of the page */
};

static void walk_init(struct walk *walk, pd_hub *hub, struct mail_place from, unsigned end)
{
    *walk = (struct walk){ .store = hub->store, .at = from, .end = end };
    arena_init(&walk->arena);
}

/* *ret is NULL when there are no more. It lives until the next step. */
static pd_status walk_step(struct walk *walk, const struct message **ret, pd_error *err)
{
    *ret = NULL;
    while (walk->next == walk->page.count) {
        if (walk->is_partition_done) {
            walk->at = (struct mail_place){ walk->at.partition + 1, 0 };
        }
        if (walk->at.partition >= walk->end) {
            return PD_OK;
        }
        arena_reset(&walk->arena);
        walk->page = (struct message_page){ NULL, 0 };
        walk->next = 0;
        pd_status status = walk->store->ops->receive(
            walk->store, walk->at.partition, walk->at.number, PAGE, &walk->arena, &walk->page, err);
        if (status != PD_OK) {
            return status;
        }
        walk->is_partition_done = walk->page.count < PAGE;
    }
    *ret = &walk->page.items[walk->next++];
    walk->at.number = (*ret)->number;
    return PD_OK;
}

bool mail_is_start(enum message_kind kind)
{
    return kind == MESSAGE_START || kind == MESSAGE_CHILD_START || kind == MESSAGE_ADOPT;
}

bool mail_is_operation(enum message_kind kind)
{
    return kind == MESSAGE_OPERATION;
}

/* ---- what a message will be ----------------------------------------------------------------- */

static pd_status record_of_start(const struct message *message, struct arena *arena,
                                 struct instance_record *ret, pd_error *err)
{
    struct wire_events events = { NULL, 0, 0 };
    pd_status status = wire_read_events(text_copy(arena, message->bytes), arena, &events, err);
    if (status != PD_OK) {
        return status;
    }
    if (events.count != 1 || events.at[0].kind != EVENT_EXECUTION_STARTED) {
        return error_set(err, PD_E_CORRUPT, false, "hub: mailbox",
                         "a start in the mailbox is not the start of an instance");
    }
    static const struct event_extra nothing;
    const struct event *event = &events.at[0];
    const struct event_extra *extra = event->extra != NULL ? event->extra : &nothing;
    *ret = (struct instance_record){
        .execution_id = event->execution_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .created_at = event->at,
        .updated_at = event->at,
        .starts_at = event->fire_at,
        .tags = extra->tags,
        .parent_id = extra->parent_id,
        .parent_execution_id = extra->parent_execution_id,
        .parent_step = extra->parent_step,
    };
    return PD_OK;
}

/* The record as the archive has it, without how it ended. */
static pd_status record_of_archive(const struct message *message, struct arena *arena,
                                   struct instance_record *ret, pd_error *err)
{
    struct archive archive;
    struct arena lists;
    arena_init(&lists);
    pd_status status = wire_read_archive(message->bytes, &lists, &archive, err);
    if (status == PD_OK) {
        const struct instance_record *record = &archive.record;
        *ret = (struct instance_record){
            .execution_id = text_copy(arena, record->execution_id),
            .name = text_copy(arena, record->name),
            .version = text_copy(arena, record->version),
            .input = text_copy(arena, record->input),
            .created_at = record->created_at,
            .updated_at = record->updated_at,
            .starts_at = record->starts_at,
            .custom_status = text_copy(arena, record->custom_status),
            .tags = text_copy(arena, record->tags),
            .parent_id = text_copy(arena, record->parent_id),
            .parent_execution_id = text_copy(arena, record->parent_execution_id),
            .parent_step = record->parent_step,
        };
    }
    arena_done(&lists);
    return status;
}

static pd_status record_of(const struct message *message, struct arena *arena,
                           struct instance_record *ret, pd_error *err)
{
    pd_status status = message->kind == MESSAGE_ADOPT ? record_of_archive(message, arena, ret, err)
                                                      : record_of_start(message, arena, ret, err);
    if (status == PD_OK) {
        ret->partition = message->partition;
        ret->id = text_copy(arena, message->instance_id);
        ret->state = RUN_PENDING;
    }
    return status;
}

static bool is_wanted(struct text wanted, struct text got)
{
    return !text_is_present(wanted) || text_equal(wanted, got);
}

static bool is_asked_for(const struct store_query *query, const struct instance_record *record)
{
    return (query->states == 0 || (query->states >> RUN_PENDING & 1) != 0) &&
           text_has_prefix(record->id, query->id_prefix) && is_wanted(query->name, record->name) &&
           is_wanted(query->version, record->version) &&
           is_wanted(query->parent_id, record->parent_id) &&
           !(query->roots_only && text_is_present(record->parent_id)) &&
           (query->hidden.size == 0 || !text_has_prefix(record->name, query->hidden)) &&
           tags_has_needle(record->tags, query->tag) &&
           (query->created_from == 0 || record->created_at >= query->created_from) &&
           (query->created_to == 0 || record->created_at <= query->created_to) &&
           query->ended_from == 0 && query->ended_to == 0;
}

/* ---- questions ------------------------------------------------------------------------------ */

bool mail_may_hold_ours(const struct mailed *mailed)
{
    return atomic_load(&mailed->sent) != atomic_load(&mailed->taken);
}

pd_status mail_holds(pd_hub *hub, struct mailed *mailed, bool (*is_meant)(enum message_kind),
                     bool *ret, pd_error *err)
{
    struct walk walk;
    const struct message *message;
    unsigned long long sent = atomic_load(&mailed->sent); /* of which all are there now */
    walk_init(&walk, hub, (struct mail_place){ 0, 0 }, hub->store->partition_count);
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL && !is_meant(message->kind)) {
        status = walk_step(&walk, &message, err);
    }
    *ret = status == PD_OK && message != NULL;
    if (status == PD_OK && message == NULL) {
        atomic_store(&mailed->taken, sent);
    }
    arena_done(&walk.arena);
    return status;
}

pd_status mail_find_start(pd_hub *hub, struct text id, struct arena *arena,
                          struct instance_record *ret, bool *ret_found, pd_error *err)
{
    struct walk walk;
    const struct message *message;
    unsigned partition = partition_of(id, hub->store->partition_count);
    walk_init(&walk, hub, (struct mail_place){ partition, 0 }, partition + 1);
    *ret_found = false;
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL) { /* to the end: the last one replaces the others */
        if (mail_is_start(message->kind) && text_equal(message->instance_id, id)) {
            status = record_of(message, arena, ret, err);
            *ret_found = status == PD_OK;
        }
        if (status == PD_OK) {
            status = walk_step(&walk, &message, err);
        }
    }
    arena_done(&walk.arena);
    return status;
}

/* Is it what the query asks for? Read into the memory of the walk. */
static pd_status look_at(struct walk *walk, const struct message *message,
                         const struct store_query *query, bool *ret, pd_error *err)
{
    struct instance_record record;
    *ret = false;
    if (!mail_is_start(message->kind)) {
        return PD_OK;
    }
    pd_status status = record_of(message, &walk->arena, &record, err);
    *ret = status == PD_OK && is_asked_for(query, &record);
    return status;
}

pd_status mail_query(pd_hub *hub, const struct store_query *query, size_t max,
                     struct mail_place *place, struct arena *arena, struct mail_page *ret,
                     pd_error *err)
{
    struct walk walk;
    const struct message *message;
    walk_init(&walk, hub, *place, hub->store->partition_count);
    size_t bytes = 0;
    size_t bytes_max = query->bytes_max != 0 ? query->bytes_max : SIZE_MAX;
    ret->count = 0;
    ret->has_more = false;
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL && !ret->has_more) {
        bool is_found;
        status = look_at(&walk, message, query, &is_found, err);
        if (status == PD_OK && is_found && (ret->count == max || bytes >= bytes_max)) {
            ret->has_more = true;
        } else if (status == PD_OK && is_found) { /* for good only when it was asked for */
            struct instance_record *item = &ret->items[ret->count++];
            status = record_of(message, arena, item, err);
            bytes += record_payload_bytes(item);
            *place = walk.at;
        }
        if (status == PD_OK && !ret->has_more) {
            status = walk_step(&walk, &message, err);
        }
    }
    arena_done(&walk.arena);
    return status;
}

pd_status mail_count(pd_hub *hub, const struct store_query *query, struct mail_count *ret,
                     pd_error *err)
{
    struct walk walk;
    const struct message *message;
    walk_init(&walk, hub, (struct mail_place){ 0, 0 }, hub->store->partition_count);
    *ret = (struct mail_count){ .pending = 0 };
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL) {
        bool is_found;
        uint64_t *first = &ret->first[walk.at.partition];
        *first = *first != 0 ? *first : message->number;
        status = look_at(&walk, message, query, &is_found, err);
        if (status == PD_OK) {
            ret->pending += is_found;
            status = walk_step(&walk, &message, err);
        }
    }
    arena_done(&walk.arena);
    return status;
}

pd_status mail_is_unmoved(pd_hub *hub, const struct mail_count *since, bool *ret, pd_error *err)
{
    struct store *store = hub->store;
    struct arena arena;
    pd_status status = PD_OK;
    arena_init(&arena);
    *ret = true;
    for (unsigned p = 0; status == PD_OK && *ret && p < store->partition_count; p++) {
        struct message_page page = { NULL, 0 };
        if (since->first[p] != 0) {
            status = store->ops->receive(store, p, 0, 1, &arena, &page, err);
            *ret = page.count != 0 && page.items[0].number == since->first[p];
        }
    }
    arena_done(&arena);
    return status;
}

/* ---- of entities ---------------------------------------------------------------------------- */

/* All messages to an entity lie in one partition. */
static void walk_to(struct walk *walk, pd_hub *hub, struct text id)
{
    unsigned partition = partition_of(id, hub->store->partition_count);
    walk_init(walk, hub, (struct mail_place){ partition, 0 }, partition + 1);
}

/* Read into the memory of the walk. One that cannot be read is none that we sent. */
static bool has_request_id(struct walk *walk, const struct message *message, struct text wanted)
{
    struct wire_events events = { NULL, 0, 0 };
    pd_error unwanted;
    return !text_is_present(wanted) ||
           (wire_read_events(message->bytes, &walk->arena, &events, &unwanted) == PD_OK &&
            events.count == 1 && text_equal(events.at[0].request_id, wanted));
}

pd_status mail_holds_for(pd_hub *hub, enum message_kind kind, struct text id,
                         struct text request_id, bool *ret, pd_error *err)
{
    struct walk walk;
    const struct message *message;
    walk_to(&walk, hub, id);
    *ret = false;
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL && !*ret) {
        *ret = message->kind == kind && text_equal(message->instance_id, id) &&
               has_request_id(&walk, message, request_id);
        status = walk_step(&walk, &message, err);
    }
    arena_done(&walk.arena);
    return status;
}

pd_status mail_count_operations(pd_hub *hub, struct text id, struct mail_count *ret, pd_error *err)
{
    struct walk walk;
    const struct message *message;
    walk_to(&walk, hub, id);
    *ret = (struct mail_count){ .pending = 0 };
    pd_status status = walk_step(&walk, &message, err);
    while (status == PD_OK && message != NULL) {
        uint64_t *first = &ret->first[message->partition];
        *first = *first != 0 ? *first : message->number;
        ret->pending += message->kind == MESSAGE_OPERATION && text_equal(message->instance_id, id);
        status = walk_step(&walk, &message, err);
    }
    arena_done(&walk.arena);
    return status;
}
