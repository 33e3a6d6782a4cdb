/* SPDX-License-Identifier: MIT
 *
 * Conversations over HTTP whose activity nobody waits for any more, found when a hub is opened.
 *
 * A step's conversation (http_steps.c) is terminated when its activity is not wanted any more: but
 * after that is durable. A server that dies in between leaves a conversation that would poll for
 * ever, as the next one is not asked for the activity again.
 *
 *   J1  One is an orphan when the execution that it was started for has ended, is not there, or has
 *       become another: which the store says for sure, whatever the engine has done so far. Its
 *       tags say whose it is.
 *   J2  Looked for once, page by page, by readers: opening waits for nothing. One that is missed
 *       (the store is in trouble) is found at the next opening. */
#include "base/tags.h"
#include "server/server_priv.h"

enum { PAGE = 100 };

#define INSTANCE_KEY "perdure.http.instance"
#define EXECUTION_KEY "perdure.http.execution"

struct search {
    struct reader_job job; /* first */
    struct hub *hub;
    struct arena arena; /* of a page */
    uint64_t after;     /* row */
    struct text *orphans;
    size_t count;
    bool has_more;
};

struct text http_owner_tags(struct arena *arena, struct text instance_id, struct text execution_id)
{
    const struct tag tags[] = { { TEXT(INSTANCE_KEY), instance_id },
                                { TEXT(EXECUTION_KEY), execution_id } };
    return tag_is_valid(&tags[0]) && tag_is_valid(&tags[1]) ? tags_pack(arena, tags, 2)
                                                            : TEXT_ABSENT;
}

/* J1 */
static bool is_orphan(struct search *search, const struct instance_record *record)
{
    struct store *store = search->hub->store;
    struct text instance, execution;
    struct instance_record owner;
    bool is_there;
    pd_error err;
    if (!tags_find(record->tags, TEXT(INSTANCE_KEY), &instance) ||
        !tags_find(record->tags, TEXT(EXECUTION_KEY), &execution) ||
        store->ops->load_instance(store, instance, 0, &search->arena, &owner, &is_there, &err) !=
            PD_OK) {
        return false;
    }
    return !is_there || (1U << owner.state & STATES_ENDED) != 0 ||
           !text_equal(owner.execution_id, execution);
}

static void look(struct reader_job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    struct store *store = search->hub->store;
    const struct store_query query = { .states = STATES_ALL & ~STATES_ENDED,
                                       .id_prefix = TEXT(HTTP_STEP_PREFIX),
                                       .after_row = search->after,
                                       .limit = PAGE };
    struct record_page page = { 0 };
    pd_error err;
    search->count = 0;
    search->has_more = store->ops->query(store, &query, &search->arena, &page, &err) == PD_OK &&
                       page.has_more && page.count > 0;
    search->orphans = arena_alloc(&search->arena, (page.count + 1) * sizeof *search->orphans);
    for (size_t i = 0; i < page.count; i++) {
        search->after = page.items[i].row;
        if (is_orphan(search, &page.items[i])) {
            search->orphans[search->count++] = page.items[i].id;
        }
    }
}

static void have_looked(struct reader_job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    struct hub *hub = search->hub;
    for (size_t i = 0; hub_is_open(hub) && i < search->count; i++) {
        http_step_terminate(hub, search->orphans[i]);
    }
    if (hub_is_open(hub) && search->count > 0) {
        log_say(LOG_INFO, "conversations over HTTP that nobody waits for are ended", "hub",
                hub->name);
    }
    arena_reset(&search->arena);
    if (hub_is_open(hub) && search->has_more) {
        readers_give(hub->server->readers, &search->job);
        return;
    }
    arena_done(&search->arena);
    mem_free(search);
    hub->reading--;
    hub_leave(hub);
}

void http_orphans_look(struct hub *hub)
{
    struct search *search = mem_alloc(sizeof *search);
    search->hub = hub;
    search->job.work = look;
    search->job.done = have_looked;
    arena_init(&search->arena);
    hub->reading++;
    hub->users++;
    readers_give(hub->server->readers, &search->job);
}
