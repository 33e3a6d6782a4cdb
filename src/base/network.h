/* SPDX-License-Identifier: MIT
 *
 * Networks as operators write them: "10.0.0.0/8,::1", or the word "private". What is allowed by
 * that is for the guard of fetch to say; whoever takes the setting checks it with the same reader,
 * so that a wrong one is refused when it is set, and not found by the first request. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "base/text.h"

#include <perdure.h>

struct network {
    int family; /* AF_INET or AF_INET6 */
    unsigned bits;
    unsigned char address[16];
};

/* "10.0.0.0/8", "::1": takes it, and a comma after it, off the list. False: it is none. */
bool network_next(struct text *list, struct network *ret);
/* NULL, "", "private", or networks with commas between; how many these are. PD_E_INVALID. */
pd_status network_check_list(const char *list, size_t *ret_count, pd_error *err);

#endif /* BASE_NETWORK_H */
