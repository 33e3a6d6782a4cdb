/* SPDX-License-Identifier: MIT
 *
 * Whether a message can take effect, as far as a store sees: the rules of `accept`, in one place
 * for all providers. */
#ifndef STORE_JUDGE_H
#define STORE_JUDGE_H

#include "store/store.h"

/* What is known of the instance that a message is for. */
struct addressee {
    bool exists;
    enum run_state state; /* when it exists */
    bool waits;           /* a message that makes it (judge_makes_instance) is in the mailbox */
};

bool judge_makes_instance(enum message_kind kind);

/* PD_OK; PD_E_EXISTS, PD_E_NOT_FOUND or PD_E_STATE with the reason. */
pd_status judge_message(const struct message *message, const struct addressee *addressee,
                        const char *where, pd_error *err);

#endif
