/* SPDX-License-Identifier: MIT
 *
 * Batches: made by core, read by stores, freed by whoever holds them last.
 *
 * A batch is one arena with a list of mutations through it, and a list of activities, which are
 * heap blocks of their own because they outlive it: whoever dispatches takes them out of the list.
 * What is still there when the batch goes, goes with it.
 */
#include "core/batch.h"

#include "base/assert.h"
#include "base/object.h"

enum { BATCH_MAGIC = 0x62617463 };

struct batch *batch_new(unsigned partition, uint64_t epoch, uint64_t number)
{
    struct batch *batch = OBJECT_NEW(struct batch, BATCH_MAGIC);
    batch->partition = partition;
    batch->epoch = epoch;
    batch->number = number;
    batch->last = &batch->first;
    list_init(&batch->activities);
    arena_init(&batch->arena);
    return batch;
}

static void free_activities(struct batch *batch)
{
    LIST_EACH_SAFE(node, &batch->activities)
    {
        list_remove(node);
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
}

void batch_renew(struct batch *batch, uint64_t number)
{
    OBJECT_CHECK(batch, BATCH_MAGIC);
    free_activities(batch);
    arena_rewind(&batch->arena);
    batch->number = number;
    batch->first = NULL;
    batch->last = &batch->first;
    batch->mutation_count = 0;
    batch->activity_count = 0;
    batch->has_start_limits = false;
    batch->endings = NULL;
    batch->ending_count = 0;
    batch->cancellations = NULL;
    batch->mailed = 0;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) {
        return;
    }
    free_activities(batch);
    arena_done(&batch->arena);
    OBJECT_FREE(batch, BATCH_MAGIC);
}

struct mutation *batch_add(struct batch *batch, enum mutation_kind kind, uint64_t row)
{
    OBJECT_CHECK(batch, BATCH_MAGIC);
    struct mutation *mutation = arena_alloc(&batch->arena, sizeof *mutation);
    mutation->kind = kind;
    mutation->row = row;
    *batch->last = mutation;
    batch->last = &mutation->next;
    batch->mutation_count++;
    return mutation;
}
