/* SPDX-License-Identifier: MIT
 *
 * A desk: a broker between an engine that is played and workers that are played, under a clock that
 * stands still. Everything is on the test's thread; the engine's calls answer when the test says.
 *
 * The functions of the engine that the broker calls are defined here, so the real ones are not
 * linked. */
#ifndef BROKER_TEST_DESK_H
#define BROKER_TEST_DESK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/broker.h"

enum { PARTITIONS = 2, GOT_MAX = 4096, DISPATCHED_MAX = 20000, TOKEN_ROOM = WORK_TOKEN_SIZE + 1 };

/* What the broker asked of the engine. */
enum asked_kind {
    ASKED_END,
    ASKED_END_ENTITY,
    ASKED_RETURN,
    ASKED_LEAVE,
    ASKED_CALL,
    ASKED_CALL_ACTIVITIES,
    ASKED_QUARANTINE,
    ASKED_ACTIVITY,
    ASKED_BEAT
};
struct asked {
    enum asked_kind kind;
    struct request *request; /* NULL: it has been answered */
    struct turn_ticket ticket;
    uint64_t row;
    int32_t id;
    char payload[64]; /* of the activity, of a beat, of the first operation; custom status */
    char failure[64]; /* its type */
    size_t count;     /* actions, results, rows */
    uint64_t epoch;
    bool keeps_state;
    bool *ret_wanted;
};

/* A work item that a worker has got. */
struct got {
    char token[TOKEN_ROOM];
    struct text bytes; /* of the whole item */
    const struct hub_work_item *item;
    const char *instance_id; /* ends in NUL */
    bool is_past_known;
};

struct worker {
    struct desk *desk;
    struct worker *next;
    struct broker_stream *stream; /* NULL: it is not connected */
    struct arena arena;
    struct got got[GOT_MAX];
    size_t count;
    size_t backlog;
    char cancelled[TOKEN_ROOM]; /* the last one */
    size_t cancel_count;
    char let[TOKEN_ROOM]; /* the last one that may begin now */
    size_t let_count;
};

struct activity_wish {
    uint64_t row;
    int32_t id;
    const char *name, *version, *owner_version,
        *instance_id; /* NULL: "say", none, none, "i<row>" */
    size_t input_bytes;
    struct task_limits limits;
    unsigned partition;
    uint64_t epoch;
    bool is_called;
};

struct desk {
    struct worker *workers; /* that are connected */
    struct broker *broker;
    struct runner *runner;
    struct broker_options options;
    time_us now, wake_at;
    size_t posts;
    bool is_posted;
    struct arena arena; /* what turns and results are made in */
    struct asked asked[GOT_MAX];
    size_t asked_count;
    bool answers_late; /* else at once */
    pd_status status;  /* of the answers */
    uint64_t serial;
    size_t begun_count, log_count;
    char log[256]; /* the last line */
    char begun[64];
    size_t past_reads; /* turns that were given their past */
    struct offered {
        struct turn turn;
        size_t chunk_bytes;
        bool is_returned, is_left;
    } offered[GOT_MAX];
    size_t offered_count;
    struct dispatched {
        struct activity_wish wish;
        bool is_open; /* its step is */
    } dispatched[DISPATCHED_MAX];
    size_t dispatched_count;
    bool keeps_returned; /* else they are offered again, at once */
};

/* The options that are not 0 are taken. */
void desk_open(struct desk *desk, const struct broker_options *options);
void desk_close(struct desk *desk); /* and what a test that failed left open */
/* As long as there is something to be run, at the present time. */
void desk_run(struct desk *desk);
void desk_pass(struct desk *desk, int64_t us);  /* time, with all that is due in it */
void desk_answer(struct desk *desk, size_t at); /* an asked request, that is not answered yet */
void desk_answer_all(struct desk *desk);
const struct asked *desk_last(const struct desk *desk, enum asked_kind kind); /* NULL: none */
size_t desk_count(const struct desk *desk, enum asked_kind kind);

void worker_open(struct worker *worker, struct desk *desk,
                 const struct broker_stream_options *options); /* connects; runs */
void worker_hang_up(struct worker *worker);                    /* disconnects, if it is not; runs */
void worker_close(struct worker *worker);                   /* likewise, and forgets what it got */
const struct got *worker_last(const struct worker *worker); /* there is one */

/* What the engine has for the broker. Then it is run. */
struct turn desk_turn(struct desk *desk, uint64_t row, uint64_t number, const char *id);
void desk_offer(struct desk *desk, const struct turn *turn); /* gives the past if it is needed */
void desk_offer_with(struct desk *desk, const struct turn *turn, size_t chunk_bytes);
void desk_offer_returned(struct desk *desk); /* with other serials; does not run */
/* Turn `number` of an instance "i<row>" called "hello", with no version. */
struct turn desk_offer_turn(struct desk *desk, uint64_t row, uint64_t number);
/* With so many calls of the entity "@counter@<row>", and as many signals behind them. */
struct turn desk_offer_entity(struct desk *desk, uint64_t row, size_t calls, size_t signals);
struct activity *desk_activity(const struct activity_wish *wish);
/* Of a step that is open; NULL: it is not. */
struct dispatched *desk_dispatched(struct desk *desk, uint64_t row, int32_t id);
void desk_dispatch(struct desk *desk, const struct activity_wish *wish);
void desk_cancel(struct desk *desk, uint64_t row, int32_t id);
/* The engine has made turn `number` durable: so many bytes of history. */
void desk_record(struct desk *desk, const struct turn *turn, size_t bytes);

/* Completions, and how they were answered. -1: not yet. */
struct heard {
    struct broker_answer answer;
    int status, times;
};
extern struct heard heard; /* of the last one */

struct completion {
    const char *token, *instance_id;
    bool requires_history, is_partial;
    const char *custom_status;
    uint64_t peer;
    size_t actions;     /* scheduleTask */
    bool completes;     /* the orchestration */
    const char *result; /* of an activity */
    int64_t task_id;
};
void desk_complete_turn(struct desk *desk, const struct completion *completion);
void desk_complete_activity(struct desk *desk, const struct completion *completion);
struct batch_completion {
    const char *token;
    size_t results;
    const char *state;   /* NULL: none */
    const char *failure; /* of the batch: its type; NULL: none */
    bool requires_state;
};
void desk_complete_entity(struct desk *desk, const struct batch_completion *completion);

/* These must hold. */
void assert_got(const struct worker *worker, size_t count);

#endif
