/* SPDX-License-Identifier: MIT
 *
 * Whether a message can take effect, as far as a store sees: the rules of `accept`, in one place
 * for all providers. */
#ifndef STORE_JUDGE_H
#define STORE_JUDGE_H

#include "store/store.h"

/* What is known of the instance or entity that a message is for. */
struct addressee {
    bool exists;
    enum run_state state; /* of an instance that exists */
    bool waits;           /* a message that makes it (judge_makes) is in the mailbox */
};

/* It is taken whatever there is: nobody needs to look. */
bool judge_takes_all(enum message_kind kind);
/* Of the rest: whether there is an entity is what counts, not whether there is an instance. */
bool judge_asks_entity(const struct message *message);
/* A message of this kind makes the instance or entity that it is for. */
bool judge_makes(enum message_kind kind);

/* PD_OK; PD_E_EXISTS, PD_E_NOT_FOUND or PD_E_STATE with the reason; PD_E_INVALID: nobody may ask
 * that of this instance. */
pd_status judge_message(const struct message *message, const struct addressee *addressee,
                        const char *where, pd_error *err);

#endif
