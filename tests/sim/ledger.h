/* SPDX-License-Identifier: MIT
 *
 * The ledger: what has been committed, and whether it may have been.
 *
 * It hears every batch that a commit of the store has applied, keeps what it says (also of
 * instances that were replaced or purged, and of earlier executions), and checks:
 *
 *   L1  each mutation where it stands: numbers without gaps, nothing removed that is not there,
 *       the epoch of the present owner (S2);
 *   L2  each turn: it was run, with these events (spy.h); its order (T1), its times (C6),
 *       completions of open steps only and each once (C3), none of a step that was cancelled,
 *       results of activities that have run and of children that have ended so, events of a sender
 *       in their order, none taken while it was suspended (C9);
 *   L3  each instance after each commit: state, busy mark (C4), timers, progress and inbox fit its
 *       history, nothing is in the inbox and in history, nothing left the inbox without getting
 *       there; what another execution was owed of the events before is there, first, and in order;
 *   L4  each letter: in its cause's commit it is in the mailbox of its receiver, in the order
 *       of its sender, or has taken effect (C8); one that is received takes effect in that commit
 *       (S6);
 *   L5  each operation of an entity (ledger_deed.c): it was asked for, takes effect once for each
 *       time it was asked for, not before its time, in the order of its sender, not when it was
 *       taken back; the state it was given is the one that those before it left, what it answers
 *       and asks for is the model's (box_model.h);
 *   L6  each entity after each commit (ledger_entity.c): its state is what the operations that took
 *       effect have made, busy mark (K5), timers and inbox fit; it is locked only by who asked;
 *       empty, it has no row. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "base/base.h"
#include "box_model.h"
#include "core/batch.h"
#include "store/store.h"
#include "wire/wire.h"

struct sim;
struct spy_turn;

struct ledger_turn {
    struct text bytes;
    const struct event *events;
    size_t count,
        inputs; /* inputs: ORCHESTRATOR_STARTED and what it took in; then what was asked */
};

struct ledger_inbox {
    uint64_t arrival;
    struct text bytes;
    const struct event *event;
};

enum ledger_kind {
    LEDGER_TASK,
    LEDGER_TIMER,
    LEDGER_CHILD,
    LEDGER_CALL,
    LEDGER_LOCK, /* closed when it was granted */
    LEDGER_OTHER,
};

struct ledger_step {
    enum ledger_kind kind;
    bool is_closed, is_cancelled;
    bool came_late;    /* its end was taken in after it was cancelled */
    size_t closed_in;  /* after how many turns */
    unsigned released; /* of a lock: which of its set have been given back */
    time_us fire_at;
    const struct event *event;
};

struct ledger_timer {
    time_us due;
    int32_t id;
};

struct ledger_progress {
    struct ledger_progress *next;
    int32_t id;
    struct text bytes;
    uint64_t since; /* which commit */
};

/* An execution that is over because the instance began another one. */
struct ledger_life {
    struct ledger_life *before;
    struct text execution_id, name, version, input;
    const struct ledger_turn *turns; /* the last one of a renewed one as it was run */
    size_t turn_count;
    const struct spy_turn *last; /* of a renewed one; NULL: it was rewound */
};

/* Growing arrays: those who are left behind stay in the arena. */
struct ledger_row {
    struct ledger_row *next_touched;
    uint64_t number;
    unsigned partition;
    bool is_touched, is_deleted, is_busy, has_begun;
    bool is_fork;    /* its history began as another's */
    bool is_rewound; /* at some time */
    bool is_killed;  /* replaced while it lived */
    enum run_state state;
    unsigned ends; /* set of final states that it has been in */
    struct text id, execution_id, name, version, input, output, failure, status, tags;
    struct text status_said; /* as the code has said it in turns that are durable */
    struct text parent_id, parent_execution_id;
    int32_t parent_step;
    time_us created_at, updated_at, ended_at, starts_at;
    struct ledger_life *past;
    struct ledger_turn *turns;
    size_t turn_count, turn_room;
    struct ledger_inbox *inbox;
    size_t inbox_count, inbox_room;
    struct ledger_inbox *removed; /* from the inbox, in the commit being checked */
    size_t removed_count, removed_room;
    struct ledger_step *steps; /* dense, as the author numbers them */
    size_t step_count, step_room;
    struct ledger_timer *timers;
    size_t timer_count, timer_room;
    struct ledger_progress *progress;
    uint64_t arrival_last;
    time_us made_at, input_at; /* the last of what was made in turns, and of what came in */
    time_us copied_until;      /* turns up to then are of the life before (rewound) */
    size_t copies;             /* turns yet to come that are another's (fork) */
    time_us fired_due;         /* the last timer that fired */
    int32_t fired_id;
    unsigned helped;        /* at the end: events raised for it */
    bool is_on_hold;        /* suspended, as far as turns have heard */
    int64_t raised_last[2]; /* the highest number of each client in history */
    struct text *owed;      /* raises that must come first in this execution */
    size_t owed_count;
    struct map taken; /* raises that an earlier execution has taken for good */
    uint64_t begun, ended, ended_last, renewed, deleted; /* in which commit; 0: not (now) */
};

/* An operation that somebody has asked of an entity, known by the number in its input. */
struct ledger_deed {
    struct text key, to, sender, request_id;
    bool is_call, is_taken_back;   /* taken back: somebody has asked for that */
    bool is_of_history, is_inside; /* said in a history; in a critical section */
    time_us fire_at;               /* 0: at once */
    uint64_t order;                /* when it was said last */
    unsigned said, maybe, done;    /* maybe: it is not known whether it was said so often more */
    uint64_t done_in;              /* which commit */
    uint64_t void_since;           /* which commit: it was taken back; 0: not */
    int64_t number, amount;        /* amount: of money that came to an account, so far */
    struct text payload, failure_type; /* its last answer */
};

/* There is one for each id that has ever been heard of. */
struct ledger_entity {
    struct ledger_entity *next_touched;
    bool is_touched, is_busy;
    struct text id;
    unsigned partition;
    uint64_t number; /* of its row; 0: it has none */
    struct text state, owner, execution, section;
    time_us updated_at;
    struct ledger_inbox *inbox;
    size_t inbox_count, inbox_room;
    struct ledger_timer *timers;
    size_t timer_count, timer_room;
    struct box_model model;
    unsigned purges;     /* asked for by clients, of which nothing was seen yet */
    uint64_t purged_in;  /* since which commit signals with a time may be gone; 0: never */
    uint64_t changed_in; /* which commit touched it last */
};

/* A letter that must have been seen to when the commit is over. */
struct ledger_due {
    struct ledger_due *next;
    enum message_kind kind;
    unsigned from;    /* partition of who says it */
    bool is_received; /* it was in the mailbox */
    bool is_home;     /* posted by its own partition, to come behind what it waits for */
    bool is_of_run;   /* said by an operation */
    struct text id, execution_id;
    int32_t step;
    struct text key; /* of a raise; of what is said to an entity */
    const struct event *event;
};

struct ledger_mail {
    struct ledger_mail *next;
    uint64_t number;
    struct ledger_due due;
};

struct ledger {
    struct sim *sim;
    struct arena *arena;
    struct ledger_row **rows; /* in the order they were inserted */
    size_t row_count, row_room;
    struct map64 by_number;
    struct ledger_row *touched;
    uint64_t commits;
    uint64_t epochs[64];
    uint64_t mail_removed[64], mail_known[64];
    struct ledger_mail *mail[64]; /* what lies there, oldest first */
    struct ledger_due *dues, **due_last;
    struct posted *posted; /* into mailboxes, in this commit */
    size_t posted_count;
    struct map raised;            /* keys of every raise seen anywhere: see ledger_raise_key */
    struct map64 rewound_senders; /* numbers of SENDER_PROGRAM >> 12: these may send again */
    struct map runs;              /* "execution step" of every activity that has run */
    struct ledger_entity **entities;
    size_t entity_count, entity_room;
    struct map entities_by_id;
    struct map64 entity_rows; /* of all times, as long as the entity is it */
    struct ledger_entity *touched_entities;
    struct ledger_deed **deeds; /* in the order they were first heard of */
    size_t deed_count, deed_room;
    struct map deeds_by_key, deeds_by_request;
    struct map lanes;    /* "sender>entity": the order of what took effect last */
    struct map sections; /* "execution section": the LOCK_REQUESTED */
    struct text *starts; /* inputs of what entities have started under ids that core made */
    size_t start_count, start_room;
    struct ledger_heard *heard; /* answers that turns took in, in this commit */
    struct map notices_by_key;  /* notices.c */
    struct notice **notices;    /* of this commit */
    size_t notice_count, notice_room;
    uint64_t said;
};

/* Who raises: in the payload. SENDER_PROGRAM: the number tells which, and which of his. */
enum { SENDER_DIRECT, SENDER_MAIL, SENDER_PROGRAM };

void ledger_init(struct ledger *ledger, struct sim *sim, struct arena *arena);
void ledger_done(struct ledger *ledger);
void ledger_apply(struct ledger *ledger, const struct batch *const *batches, size_t count);
void ledger_see_mail(struct ledger *ledger, struct store *store); /* there may be more */

struct ledger_row *ledger_find(const struct ledger *ledger,
                               struct text id); /* not replaced; NULL */
/* Present or past. */
struct ledger_row *ledger_find_execution(const struct ledger *ledger, struct text execution_id);
bool ledger_has_raised(const struct ledger *ledger, int64_t sender, int64_t number);
bool ledger_is_alive(const struct ledger_row *row); /* NULL: false */
/* The rows of an id, the latest first: begin with *cursor = row_count. */
struct ledger_row *ledger_next(const struct ledger *ledger, struct text id, size_t *cursor);

/* An activity is about to be handed out, or has run: its request must be durable. */
void ledger_dispatched(struct ledger *ledger, const struct activity *activity);
void ledger_ran(struct ledger *ledger, const struct activity *activity);

/* Everything the store says, against everything it should. */
void ledger_compare(struct ledger *ledger, struct store *store);

/* ---- entities ---- */

struct ledger_entity *ledger_entity(struct ledger *ledger, struct text id); /* made if need be */
/* Of the operation with this input; NULL: nobody has asked for it. */
struct ledger_deed *ledger_deed_find(const struct ledger *ledger, struct text payload);
/* Somebody asks for it (again). */
struct ledger_saying {
    struct text to, sender, payload, request_id;
    bool is_call;
    bool is_of_history, is_inside;
    time_us fire_at;
    bool is_sure; /* false: it may be lost on its way, or not be asked for after all */
};
struct ledger_deed *ledger_say(struct ledger *ledger, const struct ledger_saying *saying);
/* It waits in the inbox of its entity. */
bool ledger_deed_waits(const struct ledger *ledger, const struct ledger_deed *deed);
/* It has been taken back: it must not be done any more. */
void ledger_deed_void(struct ledger *ledger, struct ledger_deed *deed);
/* At the end: nothing is waited for any more. */
void ledger_check_deeds(struct ledger *ledger);
void ledger_check_money(struct ledger *ledger);
void ledger_check_rest(struct ledger *ledger);

bool ledger_read_raise(const struct event *event, int64_t *ret_sender, int64_t *ret_number);
/* A completion of this step waits. */
bool ledger_is_answered(const struct ledger_row *row, int32_t step);
/* At the end: what was announced is there. */
void ledger_check_all_there(struct ledger *ledger);
bool ledger_is_held(const struct ledger_row *row); /* its start waits for its time */
/* Inside a critical section. */
bool ledger_is_locking(const struct ledger_row *row);
/* Likewise; or it left one in one of the last turns, which a rewind would undo. */
bool ledger_has_failed_locked(const struct ledger_row *row);
const struct event *ledger_last_event(const struct ledger_turn *turns, size_t count);

#endif
