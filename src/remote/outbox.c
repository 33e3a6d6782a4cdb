/* SPDX-License-Identifier: MIT
 *
 * The outbox: what a worker answers, in letters of many results each.
 *
 * All threads write fields of one message; the loop's thread takes it, numbers the results in it,
 * and sends it. A letter that is large enough is closed, and another begun (W7). Each is kept until
 * the last of its results has been acknowledged. On another stream all that are left are numbered
 * anew, and sent again as they are: results in them that had been acknowledged already are stale,
 * and change nothing.
 */
#include "remote/worker_priv.h"
#include "wire/proto.h"

enum {
    FIELD_BEATS = 2,
    FIELD_RESULTS = 3,
    FIELD_ABANDONED = 4,
    FIELD_DRAINING = 5,
    FIELD_BEGINS = 6,
    SPARES = 32,
    LETTER_BYTES = 1 << 20, /* larger ones have one field */
    WORDS = 256,            /* what stands around a result in its letter, and more */
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

static struct letters *take_spare(struct outbox *outbox)
{
    struct list_node *node = list_pop_front(&outbox->spare);
    return node != NULL ? CONTAINER_OF(node, struct letters, node)
                        : mem_alloc(sizeof(struct letters));
}

/* Likewise. Where a field of so many bytes goes. */
static struct buffer *room_for(struct outbox *outbox, size_t size)
{
    size_t most = LETTER_BYTES < outbox->message_max ? LETTER_BYTES : outbox->message_max;
    if (outbox->open != NULL && outbox->open->bytes.size + size + WORDS > most) {
        list_push_back(&outbox->full, &outbox->open->node);
        outbox->open = NULL;
    }
    if (outbox->open == NULL) {
        outbox->open = take_spare(outbox);
        outbox->open->count = 0;
    }
    return &outbox->open->bytes;
}

size_t outbox_takes(const struct outbox *outbox)
{
    return outbox->message_max > WORDS ? outbox->message_max - WORDS : 0;
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
    struct buffer *buffer = room_for(outbox, bytes.size);
    put_head(buffer, FIELD_RESULTS, 1 + proto_size_bytes(bytes.size));
    put_head(buffer, (unsigned)kind, bytes.size);
    buffer_add_text(buffer, bytes);
    outbox->open->count++;
    atomic_fetch_add_explicit(&outbox->waiting, 1, memory_order_relaxed);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

void outbox_add_beat(struct outbox *outbox, struct text token, struct text progress)
{
    bool fits = progress.size + LIMIT_INSTANCE_ID < outbox_takes(outbox); /* W7: it lives, still */
    const struct hub_work_beat beat = { .token = token, .progress = fits ? progress : TEXT_ABSENT };
    pthread_mutex_lock(&outbox->mutex);
    size_t size = message_size(&hub_work_beat_type, &beat);
    struct buffer *buffer = room_for(outbox, size);
    put_head(buffer, FIELD_BEATS, size);
    message_write(&hub_work_beat_type, buffer, &beat);
    post(outbox);
    pthread_mutex_unlock(&outbox->mutex);
}

static void add_token(struct outbox *outbox, unsigned field, struct text token)
{
    pthread_mutex_lock(&outbox->mutex);
    struct buffer *buffer = room_for(outbox, token.size);
    put_head(buffer, field, token.size);
    buffer_add_text(buffer, token);
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
    struct buffer *buffer = room_for(outbox, 2);
    buffer_add_byte(buffer, FIELD_DRAINING << 3);
    buffer_add_byte(buffer, 1);
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
    bool is_kept = letters->bytes.room <= BYTES_MAX;
    buffer_reset(&letters->bytes);
    pthread_mutex_lock(&outbox->mutex);
    is_kept &= list_count(&outbox->spare) < SPARES;
    if (is_kept) {
        list_push_back(&outbox->spare, &letters->node);
    }
    pthread_mutex_unlock(&outbox->mutex);
    if (!is_kept) {
        buffer_done(&letters->bytes);
        mem_free(letters);
    }
}

void outbox_flush(struct outbox *outbox)
{
    struct list written;
    struct list_node *node;
    list_init(&written);
    pthread_mutex_lock(&outbox->mutex);
    list_append(&written, &outbox->full);
    if (outbox->open != NULL) {
        list_push_back(&written, &outbox->open->node);
        outbox->open = NULL;
    }
    pthread_mutex_unlock(&outbox->mutex);
    while ((node = list_pop_front(&written)) != NULL) {
        struct letters *letters = CONTAINER_OF(node, struct letters, node);
        letters->left = letters->count;
        if (outbox->stream != NULL) {
            send(outbox, letters);
        }
        if (letters->count != 0) {
            list_push_back(&outbox->batches, &letters->node);
        } else {
            put_away(outbox, letters); /* beats are forgotten with their stream */
        }
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

void outbox_init(struct outbox *outbox, struct loop *loop, size_t message_max)
{
    *outbox = (struct outbox){
        .message_max = message_max, .loop = loop, .job.run = flush_job, .next = 1
    };
    pthread_mutex_init(&outbox->mutex, NULL);
    list_init(&outbox->batches);
    list_init(&outbox->full);
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
    if (outbox->open != NULL) {
        list_push_back(&outbox->full, &outbox->open->node);
    }
    free_all(&outbox->batches);
    free_all(&outbox->full);
    free_all(&outbox->spare);
    pthread_mutex_destroy(&outbox->mutex);
}
