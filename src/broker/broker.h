/* SPDX-License-Identifier: MIT
 *
 * Broker: hands work to workers at the other end of streams, and takes their results.
 *
 * One for each hub. To the engine it is a runner that answers later (core/turn.h, T8); to the
 * server it is where streams of workers are plugged in, and what their completions are given to. It
 * does no I/O and reads no clock of its own: what goes to a worker goes through a function of its
 * stream.
 *
 *   D1  Two sides. The runner's calls come on the engine's threads, and only put work in a queue.
 *       All else is on the loop's thread, to which broker_options.post brings it.
 *   D2  Every handing out has a fresh token that nobody can guess. A completion counts when its
 *       token is of the last handing out of work that is still wanted; all others are told that all
 *       is well, and change nothing.
 *   D3  One handing out at a time of an instance and of an entity (the engine's open turn is that).
 *   D4  Work of a stream that is gone waits for a moment, in which its token is still good, and
 *       then goes to another one. There is no other time limit, but those that the work itself has,
 *       and a generous one for turns.
 *   D5  Work that no connected stream takes waits for ever. Nothing is lost by it: it is also in
 *       the store. Of turns and batches only waiting_max wait here for the same streams, at 2 to 4
 *       KB each, and only so many bytes of them as they will be sent; of activities activity_bytes.
 *       The others are left in the store, and called for, in their order, when there is room. Only
 *       activities that must begin in time all wait here.
 *   D6  A stream is never sent more than its limits, nor when its client does not read.
 *   D7  What was running each of the last crashes_max times that a worker of ours died is not
 *       handed out again: it fails with "Quarantined", as in a process of its own (engine.h). */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <perdure.h>

#include "core/turn.h"
#include "engine/engine.h"
#include "base/histogram.h"
#include "wire/work.h"

struct broker;
struct broker_stream;

struct broker_options {
    unsigned partition_count;
    /* Sees to it that broker_run is called soon on the loop's thread. Any thread; cheap, and called
     * once until it has run. */
    void (*post)(void *argument);
    /* Sees to it that broker_run is called at that time (steady clock), at the latest. */
    void (*wake_at)(void *argument, time_us steady);
    void *argument;
    /* Names that the server itself runs ("BuiltIn::HttpActivity", "perdure.call"): given to this
     * runner instead, synchronously. NULL: none. */
    struct runner *own;
    bool (*is_own)(void *argument, struct text name, bool is_activity);
    /* Names that begin so are own as long as no worker has come that lists them in its filters;
     * from then on they are the workers', also while none is connected. Absent: none are. */
    struct text yields;
    /* Told, on the loop's thread, when the first turn of an instance is durable. May be NULL. */
    void (*begun)(void *argument, struct text instance_id);
    int64_t lost_delay_us;   /* D4; 0: 700 ms */
    int64_t turn_timeout_us; /* D4; 0: 10 minutes */
    size_t past_bytes;       /* of histories kept for workers that need them whole; 0: 64 MiB */
    /* One line for people, on the loop's thread. May be NULL. */
    void (*log)(void *argument, const char *line);
    unsigned crashes_max;  /* D7; 0: 3 */
    size_t waiting_max;    /* D5; 0: 4,096 */
    size_t activity_bytes; /* D5; 0: 32 MiB */
    size_t item_bytes;     /* an item larger than this is streamed, or held back with a word in
                               * the log, for streams that cannot take it; 0: 4 MiB less some */
};

struct broker *broker_new(const struct broker_options *options);
struct runner *broker_runner(struct broker *broker);
/* When it has been started: what its threads had for the loop meanwhile waits. NULL: when it has
 * been stopped; completions are refused from then on. */
void broker_set_engine(struct broker *broker, struct engine *engine);
void broker_free(struct broker *broker);

/* Loop's thread, from here on. */
void broker_run(struct broker *broker, time_us steady);

/* False: every worker that runs orchestrations (or entities) says which, and none has this one. */
bool broker_may_run(const struct broker *broker, struct text name, bool is_entity);

struct broker_stream_options {
    enum work_dialect dialect;
    bool can_stream_history;
    bool takes_large;                                /* any size of item (JavaScript) */
    bool has_no_entities;                            /* grpc-go */
    int64_t turns_max, activities_max, entities_max; /* unfinished at once; 0: no limit said */
    const struct hub_work_item_filters *filters;     /* copied; NULL: everything */
    struct text worker_id;                           /* for people */
    /* One WorkItem, of pieces that lie one behind the other, borrowed. These may not call the
     * broker. */
    uint64_t peer; /* its connection, as in broker_answer */
    void (*send)(void *argument, const struct text *pieces, size_t count);
    size_t (*backlog)(void *argument); /* bytes that the worker has not taken yet */
    /* Ours: nobody waits for an activity any more, or for what may not begin yet. */
    void (*cancel)(void *argument, struct text token);
    /* Ours: it may begin now, see broker_begins. Not NULL where that is called. */
    void (*let_begin)(void *argument, struct text token);
    void *argument;
};
struct broker_stream *broker_connect(struct broker *broker,
                                     const struct broker_stream_options *options);
void broker_drained(struct broker_stream *stream); /* its backlog is 0 again */
void broker_leaves(struct broker_stream *stream);  /* ours: its end will be no death (D7) */
void broker_disconnect(struct broker_stream *stream);

/* Completions. `answered` is called once, on the loop's thread, when the result is durable, or at
 * once when it does not count (D2): then, too, with PD_OK. Other statuses: PD_E_CANCELLED,
 * PD_E_UNAVAILABLE, PD_E_INVALID (it could not be read: nothing happened). Messages are read into
 * the request's own memory: `bytes` need not outlive the call. */
struct broker_answer {
    void (*answered)(struct broker_answer *, pd_status status, const pd_error *err);
    uint64_t peer; /* over which connection it came; 0: that is not known */
};
void broker_complete_turn(struct broker *broker, struct text bytes, struct broker_answer *answer);
void broker_complete_entity(struct broker *broker, struct text bytes, struct broker_answer *answer);
void broker_complete_activity(struct broker *broker, struct text bytes,
                              struct broker_answer *answer);
/* Given back: offered again after a delay that doubles each time (0.1 s to 30 s), elsewhere if
 * possible. */
void broker_abandon(struct broker *broker, struct text token);
/* Ours: what was handed out as a suspect is about to be run (D7). */
bool broker_begins(struct broker *broker, struct text token); /* false: let_begin will be called */
/* Ours. *ret_wanted: see engine_beat_activity. */
void broker_beat(struct broker *broker, struct text token, struct text progress, bool *ret_wanted);

struct broker_counters {
    uint64_t dispatched[3], completed[3], abandoned, lost, stale; /* turns, entities, activities */
    uint64_t quarantined;
    uint64_t too_large; /* items that no worker could take when they were first offered */
    size_t waiting[3], unfinished[3], streams;
    size_t aside[3];          /* which also wait, in the store (D5) */
    struct histogram took[3]; /* from handing out until the result was durable */
    size_t returning;         /* of streams that are gone, and still good (D4); they also wait */
};
struct broker_counters broker_counters(const struct broker *broker);

#endif
