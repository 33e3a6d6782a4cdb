/* SPDX-License-Identifier: MIT
 *
 * The outbox: what a worker answers, in letters of many results each.
 *
 * All threads write fields of one message; the loop's thread takes it, numbers the results in it,
 * and sends it. It is kept until the last of its results has been acknowledged. On another stream
 * all that are left are numbered anew, and sent again as they are: results in them that had been
 * acknowledged already are stale, and change nothing.
 */
#include "remote/worker_priv.h"
#include "wire/proto.h"

enum {
    FIELD_BEATS = 2,
    FIELD_RESULTS = 3,
    FIELD_ABANDONED = 4,
    FIELD_DRAINING = 5,
    FIELD_BEGINS = 6,
    SPARES = 32
};

struct letters {
    struct list_node node;
    struct buffer bytes; /* a work_up */
    uint64_t first;      /* number of the first result in it */
    size_t count, left;  /* results; not acknowledged */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* The mutex is held. */
static void post(struct outbox *outbox)
{
    if (!outbox->is_posted && !loop_is_mine(outbox->loop)) {
        outbox->is_posted = true;
        loop_post(outbox->loop, &outbox->job);
    }
}

static void put_head(struct buffer *buffer, unsigned field, size_t size)
{
    uint8_t head[2 * 10];
    uint8_t *end = proto_put_varint(proto_put_tag(head, field, PROTO_BYTES), size);
    buffer_add(buffer, head, (size_t)(end - head));
}

void outbox_add_result(struct outbox *outbox, enum result_kind kind, struct text bytes)
{
    pthread_mutex_lock(&outbox->mutex);
    put_head(&outbox->open, FIELD_RESULTS, 1 + proto_size_bytes(bytes.size));
    put_head(&outbox->open, (unsigned)kind, bytes.size);
    buffer_add_text(&outbox->open, bytes);
    outbox->open_results++;
    atomic_fetch_add_explicit(&outbox->waiting, 1, memory_order_relaxed);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

void outbox_add_beat(struct outbox *outbox, struct text token, struct text progress)
{
    const struct hub_work_beat beat = { .token = token, .progress = progress };
    pthread_mutex_lock(&outbox->mutex);
    put_head(&outbox->open, FIELD_BEATS, message_size(&hub_work_beat_type, &beat));
    message_write(&hub_work_beat_type, &outbox->open, &beat);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

static void add_token(struct outbox *outbox, unsigned field, struct text token)
{
    pthread_mutex_lock(&outbox->mutex);
    put_head(&outbox->open, field, token.size);
    buffer_add_text(&outbox->open, token);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

void outbox_give_back(struct outbox *outbox, struct text token)
{
    add_token(outbox, FIELD_ABANDONED, token);
}

void outbox_say_begins(struct outbox *outbox, struct text token)
{
    add_token(outbox, FIELD_BEGINS, token);
}

void outbox_say_draining(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->mutex);
    buffer_add_byte(&outbox->open, FIELD_DRAINING << 3);
    buffer_add_byte(&outbox->open, 1);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

size_t outbox_waiting(const struct outbox *outbox)
{
    return atomic_load_explicit(&outbox->waiting, memory_order_relaxed);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send(struct outbox *outbox, struct letters *letters)
{
    letters->first = outbox->next;
    letters->left = letters->count;
    outbox->next += letters->count;
    struct text piece = buffer_text(&letters->bytes);
    grpc_stream_send(outbox->stream, &piece, 1);
}

static void put_away(struct outbox *outbox, struct letters *letters)
{
    enum { BYTES_MAX = 1 << 16 };
    if (letters->bytes.room > BYTES_MAX || list_count(&outbox->spare) >= SPARES) {
        buffer_done(&letters->bytes);
        mem_free(letters);
        return;
    }
    buffer_reset(&letters->bytes);
    list_push_back(&outbox->spare, &letters->node);
}

static struct letters *take_spare(struct outbox *outbox)
{
    struct list_node *node = list_pop_front(&outbox->spare);
    return node != NULL ? CONTAINER_OF(node, struct letters, node)
                        : mem_alloc(sizeof(struct letters));
}

void outbox_flush(struct outbox *outbox)
{
    struct letters *letters = take_spare(outbox);
    pthread_mutex_lock(&outbox->mutex);
    struct buffer bytes = outbox->open;
    outbox->open = letters->bytes;
    letters->bytes = bytes;
    letters->count = letters->left = outbox->open_results;
    outbox->open_results = 0;
    pthread_mutex_unlock(&outbox->mutex);
    if (letters->bytes.size == 0) {
        put_away(outbox, letters);
        return;
    }
    if (outbox->stream != NULL) {
        send(outbox, letters);
    }
    if (letters->count != 0) {
        list_push_back(&outbox->batches, &letters->node);
    } else {
        put_away(outbox, letters); /* beats are forgotten with their stream */
    }
}

static void flush_job(struct loop_job *job)
{
    struct outbox *outbox = CONTAINER_OF(job, struct outbox, job);
    pthread_mutex_lock(&outbox->mutex);
    outbox->is_posted = false; /* here only: else it would be among the loop's twice */
    pthread_mutex_unlock(&outbox->mutex);
    outbox_flush(outbox);
}

void outbox_open(struct outbox *outbox, struct grpc_stream *stream)
{
    outbox->stream = stream;
    outbox->next = 1;
    size_t waiting = 0;
    LIST_EACH(node, &outbox->batches)
    {
        struct letters *letters = CONTAINER_OF(node, struct letters, node);
        waiting += letters->count - letters->left;
        send(outbox, letters);
    }
    atomic_fetch_add_explicit(&outbox->waiting, waiting, memory_order_relaxed);
}

void outbox_close(struct outbox *outbox)
{
    outbox->stream = NULL;
}

static void acknowledge(struct outbox *outbox, uint64_t number)
{
    LIST_EACH(node, &outbox->batches)
    {
        struct letters *letters = CONTAINER_OF(node, struct letters, node);
        if (number < letters->first || letters->left == 0) {
            return;
        }
        if (number - letters->first < letters->count) {
            atomic_fetch_sub_explicit(&outbox->waiting, 1, memory_order_relaxed);
            if (--letters->left == 0) {
                list_remove(&letters->node);
                put_away(outbox, letters);
            }
            return;
        }
    }
}

void outbox_acknowledge(struct outbox *outbox, const struct number_list *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        acknowledge(outbox, (uint64_t)numbers->items[i]);
    }
}

/* ---- coming and going ------------------------------------------------------------------------ */

void outbox_init(struct outbox *outbox, struct loop *loop)
{
    *outbox = (struct outbox){ .loop = loop, .job.run = flush_job, .next = 1 };
    pthread_mutex_init(&outbox->mutex, NULL);
    list_init(&outbox->batches);
    list_init(&outbox->spare);
}

static void free_all(struct list *all)
{
    struct list_node *node;
    while ((node = list_pop_front(all)) != NULL) {
        struct letters *letters = CONTAINER_OF(node, struct letters, node);
        buffer_done(&letters->bytes);
        mem_free(letters);
    }
}

void outbox_done(struct outbox *outbox)
{
    free_all(&outbox->batches);
    free_all(&outbox->spare);
    buffer_done(&outbox->open);
    pthread_mutex_destroy(&outbox->mutex);
}
