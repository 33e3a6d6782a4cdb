/* SPDX-License-Identifier: MIT
 *
 * Turns: which transfer is libcurl's next, when there are more than it may have at once.
 *
 * libcurl counts connections itself, but its queue is one for all: who stands in front of it and
 * may not go holds up those behind. And a server that never answers would have every connection
 * until the requests' time is over.
 *
 *   Y1  An origin gets another transfer while it has fewer than are free. So one alone has half of
 *       all; nine that never answer have a tenth each, and the tenth that is left is for others:
 *       however many hang, whoever comes finds room, until there are as many of them as transfers.
 *   Y2  Origins that may go take turns; within one, the first to come is the first to go.
 *   Y3  The time of a request passes while it waits here (fetch.c).
 *   Y4  Transfers begin in turn_look only, which is called when nothing else is being done: asking,
 *       and ending, begin and tell nobody. */
#include <string.h>

#include "base/memory.h"
#include "fetch/fetch_priv.h"

struct origin {
    struct list_node among; /* of turns->waiting; linked: somebody waits */
    struct list waiting;    /* of struct transfer */
    unsigned under_way;
    struct buffer name;
};

static struct origin *origin_find(struct turns *turns, CURLU *url)
{
    struct buffer name;
    buffer_init(&name);
    (void)origin_write(&name, url); /* those of none share one: libcurl refuses them */
    struct origin *origin = map_find(&turns->origins, buffer_text(&name));
    if (origin != NULL) {
        buffer_done(&name);
        return origin;
    }
    origin = mem_alloc(sizeof *origin);
    origin->name = name;
    list_init(&origin->waiting);
    map_put(&turns->origins, buffer_text(&origin->name), origin);
    return origin;
}

void turn_ask(struct turns *turns, struct transfer *transfer, CURLU *url)
{
    struct origin *origin = origin_find(turns, url);
    transfer->origin = origin;
    list_push_back(&origin->waiting, &transfer->among);
    if (!list_is_linked(&origin->among)) {
        list_push_back(&turns->waiting, &origin->among);
    }
    turns->is_changed = true;
}

bool turn_is_waited_for(const struct transfer *transfer)
{
    return list_is_linked(&transfer->among);
}

/* It waits no more. */
static void leave(struct transfer *transfer)
{
    struct origin *origin = transfer->origin;
    list_remove(&transfer->among);
    if (list_is_empty(&origin->waiting)) {
        list_remove(&origin->among);
    }
}

void turn_end(struct turns *turns, struct transfer *transfer)
{
    struct origin *origin = transfer->origin;
    if (origin == NULL) {
        return;
    }
    if (turn_is_waited_for(transfer)) {
        leave(transfer);
    } else {
        (void)curl_multi_remove_handle(turns->multi, transfer->easy);
        origin->under_way--;
        turns->under_way--;
        turns->is_changed = true;
    }
    transfer->origin = NULL;
    if (origin->under_way == 0 && list_is_empty(&origin->waiting)) {
        (void)map_remove(&turns->origins, buffer_text(&origin->name));
        buffer_done(&origin->name);
        mem_free(origin);
    }
}

/* Y1, Y2. NULL: nobody may go. */
static struct transfer *next(struct turns *turns)
{
    unsigned free = turns->most - turns->under_way;
    LIST_EACH(node, &turns->waiting)
    {
        struct origin *origin = CONTAINER_OF(node, struct origin, among);
        if (origin->under_way < free) {
            return CONTAINER_OF(list_front(&origin->waiting), struct transfer, among);
        }
    }
    return NULL;
}

void turn_look(struct turns *turns)
{
    struct transfer *transfer;
    while (turns->is_changed) {
        turns->is_changed = false;
        while ((transfer = next(turns)) != NULL) {
            struct origin *origin = transfer->origin;
            leave(transfer);
            if (list_is_linked(&origin->among)) {
                list_remove(&origin->among);
                list_push_back(&turns->waiting, &origin->among);
            }
            origin->under_way++;
            turns->under_way++;
            if ((transfer->begin == NULL || transfer->begin(transfer)) &&
                curl_multi_add_handle(turns->multi, transfer->easy) != CURLM_OK) {
                transfer->over(transfer, CURLE_FAILED_INIT);
            }
        }
    }
}

void turns_init(struct turns *turns, unsigned most, uint64_t seed)
{
    turns->multi = curl_multi_init();
    turns->most = most;
    map_init_seeded(&turns->origins, seed);
    list_init(&turns->waiting);
}

void turns_done(struct turns *turns)
{
    assert_that(map_count(&turns->origins) == 0);
    map_done(&turns->origins);
    if (turns->multi != NULL) {
        (void)curl_multi_cleanup(turns->multi);
    }
}
