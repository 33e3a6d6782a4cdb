/* SPDX-License-Identifier: MIT
 *
 * What the entities of box.c do, known without running them: state, answers, what they ask for.
 *
 *   M1  An operation that fails leaves the state as it was, and asks for nothing.
 *   M2  States and payloads are the JSON texts that the programming model writes, to the byte. */
#ifndef SIM_BOX_MODEL_H
#define SIM_BOX_MODEL_H

#include "base/arena.h"
#include "base/text.h"
#include "program.h"

/* What an operation's input says. */
struct box_request {
    int64_t from, n, value;
    int how, to, hops;
    int64_t late_ms;
};
bool box_request_read(struct text payload, struct box_request *ret);
struct text box_request_write(struct arena *arena, const struct box_request *request);

struct box_model {
    unsigned entity; /* SIM_ENTITIES: none of ours */
    bool has_state;
    int64_t balance;
    int64_t *log;
    size_t count, room;
};

struct box_result {
    struct text payload;      /* of the answer */
    int64_t amount;           /* of money that has come to an account, or gone: negative */
    const char *failure_type; /* NULL: it succeeded */
    bool tells, takes_back, starts;
    unsigned to; /* whom it tells */
    struct text told_op, told_payload, start_payload;
    struct text start_id; /* absent: core makes one */
    int64_t late_ms;      /* of both; 0: at once */
};

unsigned box_entity_of(struct text id); /* SIM_ENTITIES: none of ours */
void box_model_do(struct box_model *model, struct text operation, struct text payload,
                  struct arena *arena, struct box_result *ret);
struct text box_model_state(const struct box_model *model, struct arena *arena); /* absent: none */

#endif
