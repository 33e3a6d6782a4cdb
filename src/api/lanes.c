/* SPDX-License-Identifier: MIT
 *
 * Lanes: see lanes.h. There are as many as receivers, which are few: they are looked for in a
 * list. */
#include "api/lanes.h"

#include "base/assert.h"
#include "base/list.h"

struct lane {
    struct lane *next;
    struct text name;
    unsigned under_way;
    size_t bytes;        /* of those that wait */
    struct list waiting; /* of struct activity */
};

static struct lane *find(struct lanes *lanes, struct arena *arena, struct text name)
{
    struct lane *lane = lanes->first;
    while (lane != NULL && !text_equal(lane->name, name)) {
        lane = lane->next;
    }
    if (lane == NULL) {
        lane = arena_alloc(arena, sizeof *lane);
        lane->name = text_copy(arena, name);
        list_init(&lane->waiting);
        lane->next = lanes->first;
        lanes->first = lane;
    }
    return lane;
}

/* It waits no more. */
static struct activity *take(struct lanes *lanes, struct lane *lane, struct list_node *node)
{
    struct activity *activity = CONTAINER_OF(node, struct activity, node);
    list_remove(node);
    lane->bytes -= activity->size;
    lanes->bytes -= activity->size;
    return activity;
}

enum lane_answer lanes_enter(struct lanes *lanes, struct arena *arena, struct text name,
                             struct activity *activity, struct lane **ret)
{
    struct lane *lane = *ret = find(lanes, arena, name);
    if (lane->under_way < LANE_MOST) {
        lane->under_way++;
        return LANE_GOES;
    }
    size_t bytes = activity->size, left = LANE_BYTES_MOST - lanes->bytes;
    if (bytes > left || (lane->bytes != 0 && lane->bytes + bytes > left)) { /* A3 */
        return LANE_FULL;
    }
    lane->bytes += bytes;
    lanes->bytes += bytes;
    list_push_back(&lane->waiting, &activity->node);
    return LANE_WAITS;
}

struct activity *lanes_leave(struct lanes *lanes, struct lane *lane)
{
    struct list_node *node = list_front(&lane->waiting);
    assert_that(lane->under_way > 0);
    lane->under_way -= node == NULL;
    return node != NULL ? take(lanes, lane, node) : NULL;
}

struct activity *lanes_take_out(struct lanes *lanes, unsigned partition, uint64_t row, int32_t id)
{
    for (struct lane *lane = lanes->first; lane != NULL; lane = lane->next) {
        LIST_EACH(node, &lane->waiting)
        {
            const struct activity *activity = CONTAINER_OF(node, struct activity, node);
            if (activity->partition == partition && activity->row == row &&
                (id == EVENT_NO_ID || activity->id == id)) {
                return take(lanes, lane, node);
            }
        }
    }
    return NULL;
}

struct activity *lanes_take_any(struct lanes *lanes)
{
    struct lane *lane = lanes->first;
    while (lane != NULL && list_is_empty(&lane->waiting)) {
        lane = lane->next;
    }
    return lane != NULL ? take(lanes, lane, list_front(&lane->waiting)) : NULL;
}
