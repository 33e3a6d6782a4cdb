/* SPDX-License-Identifier: MIT
 *
 * The broker's parts, and what they share.
 *
 *     engine's threads --> inbox --> slots --> queues --> streams --> worker
 *                            ^                   ^  |                   |
 *                            |       lost, rests +--+<-- timers         |
 *                            +------- answers <------ engine <----------+ completions
 *
 *   B1  An item is one piece of work: a turn, a batch of operations, an activity. From when it
 *       comes out of the inbox until a result of it is with the engine it has a slot; by its state
 *       it is in exactly one place.
 *   B2  Handing out, and whatever needs the time, happens in broker_run only. What is called
 *       between two runs leaves items where the next run finds them (`fresh`, queues), and sees to
 *       it that there is one.
 *   B3  Where a queue has items and is not blocked, none of its streams was able to take the first
 *       of them when the last run ended.
 *   B4  A row is of its partition's thread, but for what says otherwise; it lives as long as
 *       somebody refers to it: the partition, its open item, a note that it was forgotten. */
#ifndef BROKER_BROKER_PRIV_H
#define BROKER_BROKER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/object.h"
#include "broker/broker.h"

#define BROKER_MAGIC 0x62726f6bU
#define BROKER_STREAM_MAGIC 0x62737472U

enum work_kind { KIND_TURN, KIND_ENTITY, KIND_ACTIVITY, KIND_COUNT };

/* As what the bytes of an item may be there: which of them are made depends on who is connected. */
enum body { BODY_PLAIN, BODY_STREAMED, BODY_OURS, BODY_COUNT };

enum {
    STREAM_SLOTS = 4096,   /* streams of ours that can hold stacks; 0 is of those that cannot */
    NONCE_SIZE = 12,       /* random bytes of a token, behind four that name the slot */
    RETURNS_MAX = 256,     /* turns on their way back to be offered again, at once */
    YOUNG_US = 60000000,   /* so long workers of the process before may still answer */
    FAILURES_MAX = 5,      /* of a whole batch of operations, one after the other */
    BODY_KEPT = 64 * 1024, /* bytes of a turn that stay here while a worker has it */
    SPARES_MAX = 4096,     /* items and errands that are kept for the next ones, each */
    BODY_SMALL = 1024,     /* not counted among the bytes that wait */
    PAST_INLINE_MAX = 1024 * 1024, /* a longer past is streamed, where that can be had */
    BACKLOG_MAX_BYTES = 256 * 1024 /* a stream whose client leaves so much unread gets no more */
};

/* ---- index.c: chains of what has the same number --------------------------------------------- */

struct index_node {
    struct index_node *next, **at; /* at: what points to it; NULL: it is in no index */
    uint64_t key;
};
struct index {
    struct index_node **buckets;
    size_t room, count;
};
void index_put(struct index *index, struct index_node *node, uint64_t key);
void index_remove(struct index *index, struct index_node *node); /* not in it: nothing happens */
static inline bool index_has(const struct index_node *node)
{
    return node->at != NULL;
}
/* The first and the next node of a key; NULL: no more. */
struct index_node *index_first(const struct index *index, uint64_t key);
struct index_node *index_next(const struct index_node *node);
void index_done(struct index *index);
uint64_t index_key(struct text text, uint64_t seed); /* for texts: compare them, too */

/* ---- inbox.c: from other threads to the loop's ----------------------------------------------- */

enum arrival_kind {
    ARRIVES_ITEM,       /* a turn or a batch of operations */
    ARRIVES_ACTIVITY,   /* the engine's, of which an item is made */
    ARRIVES_CANCEL,     /* nobody waits for some activities: a struct cancelled */
    ARRIVES_FORGET,     /* a row, whose open turn is over */
    ARRIVES_GONE,       /* what was left of a row is nobody's: a struct cancelled, too */
    ARRIVES_FORGET_ALL, /* all of a partition is over: a struct cancelled, too */
    ARRIVES_ANSWER,     /* an errand, which the engine has answered */
};
struct arrival {
    enum arrival_kind kind;
    void *what;
};
struct inbox {
    pthread_mutex_t lock;
    struct buffer put;  /* of struct arrival */
    struct buffer read; /* the loop's: what it took last */
};
void inbox_init(struct inbox *inbox);
void inbox_done(struct inbox *inbox);
void inbox_put(struct broker *broker, enum arrival_kind kind, void *what);
/* All there is, oldest first, until it is asked again. */
const struct arrival *inbox_take(struct broker *broker, size_t *ret_count);
/* There is to be a run. The loop's thread; within a run, which hands out last, nothing happens. */
void broker_poke(struct broker *broker);

struct cancelled {
    uint64_t row;
    unsigned partition;
    int32_t id;
};

/* ---- rows.c: what a partition's thread knows of its instances -------------------------------- */

struct row {
    uint64_t row;
    unsigned partition;
    _Atomic unsigned refs;
    struct list_node used; /* the one that was used longest ago is the first */
    struct buffer past;    /* turns 1 .. turn_count, one behind the other, as they are stored */
    struct buffer ends;    /* size_t: where each of them ends */
    size_t turn_count;
    struct buffer trace;   /* what the history noted last */
    bool keeps;            /* workers need its past whole */
    struct row *next_over; /* see rows_over */

    /* Written by the loop, read by the partition's thread in a later turn. */
    _Atomic uint64_t holder,
        holder_number;        /* the stream that has the stack, and as of which turn */
    _Atomic bool must_encode; /* a worker is waiting for its bytes */

    /* the loop's */
    struct item *item; /* its open turn */
    unsigned abandons, losses, deaths;
    uint64_t avoid, accused;
    uint64_t place; /* in line: of a turn that was given back, and comes again; 0: none */
};

/* Of one partition; touched by its thread only, but for what is atomic. */
struct side {
    struct broker *broker;
    struct map64 rows;
    struct list used;
    size_t bytes, bytes_max;
    _Atomic(struct row *) over;   /* whose instances have ended */
    _Atomic(struct item *) given; /* items that the loop is done with, to be used again */
    struct item *spare;
    struct buffer scratch;
};
void side_init(struct side *side, struct broker *broker, size_t bytes_max);
void side_done(struct side *side);
struct row *row_find(struct side *side, uint64_t row); /* NULL: it is not known */
struct row *row_get(struct side *side, uint64_t row, unsigned partition);
void row_drop(struct side *side, struct row *row);
void row_unref(struct row *row);
/* The turns 1 .. number - 1, if they are kept. */
bool row_has_past(const struct row *row, uint64_t number);
void row_take_past(struct side *side, struct row *row, const struct past *past);
void row_append(struct side *side, struct row *row, uint64_t number, struct text bytes);
void row_used(struct side *side, struct row *row);  /* and there is not too much of others */
void rows_over(struct side *side, struct row *row); /* the loop's thread: has ended with its turn */
void rows_forget_over(struct side *side);

/* ---- runner.c: the engine's side ------------------------------------------------------------- */

extern const struct runner_ops broker_runner_ops;

/* ---- item.c ---------------------------------------------------------------------------------- */

enum item_state {
    ITEM_NEW,
    ITEM_READY,  /* in a queue */
    ITEM_RESTS,  /* is offered again at `due` */
    ITEM_OUT,    /* a stream has it */
    ITEM_LOST,   /* had it, and is gone (D4) */
    ITEM_GHOST,  /* a stream has it, and nobody wants it */
    ITEM_ENDING, /* its result is with the engine */
};

struct beat;

struct item {
    struct list_node link;  /* in a queue, at a stream, among the lost */
    struct list_node timed; /* turns that are out, by time */
    struct list_node fresh; /* B2 */
    struct index_node by_row, by_instance;
    enum work_kind kind;
    enum item_state state;
    bool has_token, is_plain, was_told, is_unwanted, has_begun;
    uint32_t slot;
    uint8_t nonce[NONCE_SIZE];
    uint64_t serial; /* of the item; 0: it has no slot */
    uint64_t seq;    /* since when it is ready */
    bool has_place;  /* seq is that of when it was here before */
    bool is_called;  /* it was aside */
    uint32_t weight; /* of the room that its queue has: bytes of an activity; else 1 */
    uint64_t handed; /* since when a stream has it, likewise */
    uint64_t pin;    /* the only stream that can take it; 0: any */
    uint64_t avoid;
    uint64_t peer; /* of the stream that had it last */
    struct queue *queue;
    struct broker_stream *stream;
    unsigned abandons, losses, failures, refusals;
    struct list_node chance; /* suspects.c */
    unsigned deaths;
    uint64_t accused; /* the process that it was charged with last */
    int64_t delay_us;
    time_us due, handed_at, start_by, run_by, beat_by;

    struct text instance_id, execution_id, name, version, trace;
    struct row *row; /* of an orchestration's turn */
    struct turn_ticket ticket;
    uint64_t number;
    size_t operation_count;
    struct buffer bytes; /* the texts, then the bodies */
    struct text bodies[BODY_COUNT];
    size_t waiting_bytes; /* counted in broker->waiting_bytes */
    struct item *next;

    struct activity *activity; /* NULL: the engine has it */
    int64_t task_id;
    struct beat *beat;
    struct errand *parts; /* of a completion that comes in parts, so far; in their order */
    size_t part_count, part_bytes;
    struct broker_answer *answer;
};

struct slots {
    struct item **items;
    uint32_t *free;
    size_t count, room, free_count;
    uint64_t serial;
};

/* On a partition's thread. */
struct item *item_new(struct side *side);
void item_give_back(struct side *side, struct item *item);
void items_free(struct item *items); /* a chain of spare ones */
void item_fill(struct item *item, const struct turn *turn, struct text trace);
void item_set_bodies(struct item *item, const struct text bodies[BODY_COUNT]);

/* On the loop's. */
struct item *item_of_activity(struct broker *broker, struct activity *activity);
void item_enter(struct broker *broker, struct item *item);  /* gets a slot */
void item_leave(struct broker *broker, struct item *item);  /* from where its state has it */
void item_detach(struct broker *broker, struct item *item); /* leaves, and loses its slot */
void item_free(struct broker *broker, struct item *item);   /* detached */
void item_end(struct broker *broker, struct item *item);    /* both */
void item_unwant(struct broker *broker, struct item *item); /* nobody waits for it any more */
void item_drop_body(struct item *item);
void item_uncount_bytes(struct broker *broker, struct item *item);
void item_freshen(struct broker *broker, struct item *item); /* B2 */
void item_drop_parts(struct broker *broker, struct item *item);
/* Likewise, of one that is handed out again: what is left of that completion is none. */
void item_void_parts(struct broker *broker, struct item *item);
void item_lose_activity(struct item *item);

/* ---- tokens.c -------------------------------------------------------------------------------- */

struct dice {
    uint8_t bytes[4096];
    size_t left;
};
void token_make(struct broker *broker, struct item *item, char ret[WORK_TOKEN_SIZE]);
void token_write(const struct item *item, char ret[WORK_TOKEN_SIZE]);
struct item *token_find(struct broker *broker, struct text token); /* NULL: it is of none */
uint64_t dice_next(struct broker *broker);

/* ---- match.c --------------------------------------------------------------------------------- */

bool match_is_filtered(const struct broker_stream *stream, enum work_kind kind);
bool match_takes(const struct broker_stream *stream, const struct item *item);
bool match_takes_kind(const struct broker_stream *stream, enum work_kind kind);
struct text match_name(const struct item *item); /* of an entity: the first part of its id */

/* ---- lanes.c: what waits, by who can take it ------------------------------------------------- */

struct queue {
    struct list items;
    size_t weight;           /* of all of them */
    struct list asides;      /* lines of what could not wait here: aside.c; and */
    size_t coming;           /* the weight of what has been called of these */
    struct list_node active; /* while it has items */
    struct list_node all;
    enum work_kind kind;
    bool is_blocked;
    size_t stream_count, next; /* round robin */
    struct broker_stream **streams;
};

/* By name and version: of which queue. Only where a stream has filters. */
struct lanes {
    struct list queues;
    size_t weight; /* of these */
    struct map by_name;
    struct arena names;
    bool is_filtered;
};

/* What was said of names that no worker has. */
struct strange {
    struct map told[KIND_COUNT];
    size_t count;
    struct arena names;
    time_us minute_ends;
    unsigned in_minute;
};

void lanes_init(struct lanes *lanes);
void lanes_done(struct lanes *lanes);
void queue_init(struct queue *queue, enum work_kind kind);
void lanes_put(struct broker *broker, struct item *item); /* is ready */
void lanes_take(struct broker *broker, struct item *item);
void lanes_rebuild(struct broker *broker); /* streams have come or gone */
struct queue *lanes_queue(struct broker *broker, const struct item *item);
/* All of it that matching looks at; until the scratch is used again. */
struct text lanes_key(struct broker *broker, const struct item *item);

/* ---- aside.c: what waits in the store only --------------------------------------------------- */

struct line;
struct asides {
    struct map lines[KIND_COUNT];      /* struct line, by its key */
    struct map64 gone;                 /* rows: that of which is of before that age is nobody's */
    uintptr_t age;                     /* how often something was */
    uint64_t epochs[LIMIT_PARTITIONS]; /* of the activities that are aside */
    _Atomic bool has_any;              /* any thread may ask */
};
void asides_init(struct asides *asides, uint64_t seed);
void asides_done(struct asides *asides);
bool aside_put(struct broker *broker, struct item *item); /* true: it is gone */
/* Of what was put aside of a row until now nothing is wanted any more. */
void aside_drop_row(struct broker *broker, uint64_t row);
void aside_call(struct broker *broker); /* for as many as there is room for */
void aside_called(struct broker *broker, struct errand *errand);
void aside_leave_queues(struct broker *broker, enum work_kind kind);
void aside_join_queues(struct broker *broker, enum work_kind kind);
void aside_forget(struct broker *broker, unsigned partition);
void aside_drop_all(struct broker *broker);

/* ---- give.c: handing out --------------------------------------------------------------------- */

void give_all(struct broker *broker);

/* ---- streams.c ------------------------------------------------------------------------------- */

struct stream_filter {
    struct text name;
    const struct text *versions;
    size_t version_count;
};
struct stream_filters {
    bool is_filtered;
    const struct stream_filter *items;
    size_t count;
};

struct broker_stream {
    uint32_t magic;
    struct broker *broker;
    struct broker_stream_options options;
    struct arena arena; /* filters */
    struct stream_filters filters[KIND_COUNT];
    struct list_node all;
    uint64_t id;
    int64_t max[KIND_COUNT], unfinished[KIND_COUNT];
    struct list out;
    struct queue mine;   /* what is pinned to it */
    uint64_t process;    /* whose it is; of ours */
    struct item *alone;  /* of those with a last chance, the one that has begun; and */
    struct list chances; /* those that wait for that (suspects.c) */
    bool is_leaving;
    bool is_stuffed; /* its client does not read */
};

struct broker_stream *stream_of(struct broker *broker, uint64_t id); /* NULL: it is gone */

/* ---- errands.c: requests to the engine ------------------------------------------------------- */

enum errand_kind { ERRAND_END, ERRAND_RETURN, ERRAND_LEAVE, ERRAND_CALL, ERRAND_BEAT, ERRAND_LATE };
struct errand {
    enum errand_kind kind;
    struct broker *broker;
    struct request *request;
    struct errand *next;
    struct item *item; /* ERRAND_END */
    struct line *line; /* ERRAND_CALL */
    const struct hub_orchestrator_response *part;
    uint32_t slot; /* ERRAND_BEAT */
    uint64_t serial;
    struct text said;
    bool is_wanted;
    pd_status status;
    pd_error err;
};
struct errand *errand_new(struct broker *broker, enum errand_kind kind);
void errand_free(struct broker *broker, struct errand *errand); /* was not sent, or is over */
/* Gives the turn back to be offered again; the item is gone. */
void errand_return(struct broker *broker, struct item *item);
/* Likewise, and it is offered again when it is called for. */
void errand_leave(struct broker *broker, struct item *item);
/* Likewise, and it is not to be offered again. */
void errand_quarantine(struct broker *broker, struct item *item);
void errand_answered(struct broker *broker, struct errand *errand);

/* ---- rest.c: what waits for a time ----------------------------------------------------------- */

void rest_begin(struct broker *broker, struct item *item, int64_t delay_us); /* it has left */
void rest_abandoned(struct broker *broker, struct item *item);
void rest_watch(struct broker *broker, struct item *item); /* its limits of time */
void rest_freshen(struct broker *broker);
void rest_look(struct broker *broker);
void rest_trim(struct broker *broker);
void rest_wake_all(struct broker *broker); /* those that no stream could take: another came */
time_us rest_next(const struct broker *broker);

/* ---- activity.c: while one is out ------------------------------------------------------------ */

struct beat {
    struct buffer said;
    bool has_news, is_under_way;
};
void activity_heard(struct broker *broker, struct errand *errand);
void activity_say_last(struct broker *broker, struct item *item);
void activity_cancel_all(struct broker *broker, const struct cancelled *what);
void activity_late(struct broker *broker, struct item *item, enum time_limit limit);
/* Its step fails, and the item is nobody's. */
void activity_give_up(struct broker *broker, struct errand *errand, struct item *item,
                      const struct failure *failure);
void activity_tell_unwanted(struct item *item);

/* ---- complete.c ------------------------------------------------------------------------------ */

/* All operations of a batch fail; its state stays. */
void complete_failed(struct broker *broker, struct errand *errand, struct item *item,
                     const struct failure *failure, struct broker_answer *answer);

/* ---- suspects.c ------------------------------------------------------------------------------ */

/* Has the worker to say when it is about to run it? */
bool suspect_must_say(const struct broker *broker, const struct item *item,
                      const struct broker_stream *stream);
/* It leaves its stream. */
void suspect_leave(struct broker *broker, struct item *item);
/* The stream that has it is gone. */
void suspect_charge(struct broker *broker, struct item *item);
/* A worker is (still) there. */
void suspect_pardon(struct broker *broker, uint64_t process);
/* Why it is in quarantine. */
const struct failure *suspect_word(const struct broker *broker, const struct item *item,
                                   struct arena *arena);
/* One that is lost, when it is due: true: it is over with it. */
bool suspect_condemn(struct broker *broker, struct item *item);

/* ---- broker.c -------------------------------------------------------------------------------- */

/* Names that workers have listed, of those that begin with options.yields. Any thread. */
struct listed {
    pthread_mutex_t mutex;
    struct map names[2]; /* of orchestrators, of activities */
    struct arena arena;
};
void listed_init(struct listed *listed);
void listed_done(struct listed *listed);
void listed_add(struct broker *broker, const struct broker_stream *stream);
bool listed_has(struct broker *broker, struct text name, bool is_activity);

struct broker {
    uint32_t magic;
    struct runner runner;
    struct broker_options options;
    struct engine *engine; /* the loop's */
    struct inbox inbox;
    _Atomic bool is_posted;
    char apart[64]; /* what all threads write is not beside what they only read */
    struct listed listed;
    _Atomic unsigned wanted;              /* bits 1 << enum body: what streams need */
    _Atomic size_t waiting_bytes;         /* of large turns that nobody has */
    _Atomic uint64_t alive[STREAM_SLOTS]; /* ids of streams that hold stacks */

    /* the loop's */
    bool is_running;
    time_us now, wake_at;
    time_us young_until; /* C2 */
    struct slots slots;
    struct dice dice;
    struct lanes lanes[KIND_COUNT];
    struct asides asides;
    struct strange strange;
    struct list active; /* queues */
    uint64_t seq;
    struct list streams;
    bool has_others; /* streams than the lanes know */
    struct broker_stream *by_slot[STREAM_SLOTS];
    uint64_t stream_number;
    struct list lost, timed, fresh, resting;
    struct heap times;
    struct index by_row, by_instance;
    uint64_t instance_seed;
    struct errand *errands; /* free ones */
    size_t errand_count;
    size_t returning;
    struct item *spare; /* of activities */
    size_t spare_count;
    struct buffer scratch;
    struct broker_counters counters;

    unsigned side_count;
    struct side sides[];
};

static inline struct broker *broker_of(struct runner *runner)
{
    return CONTAINER_OF(runner, struct broker, runner);
}

void broker_say(struct broker *broker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
