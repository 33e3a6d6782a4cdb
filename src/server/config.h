/* SPDX-License-Identifier: MIT
 *
 * Configuration of the server: options, environment, a file, and what holds when none says it.
 *
 *   C1  One table says of every setting its name, kind, bounds and help. An option --tls-cert is
 *       the
 *       line "tls-cert = FILE" of a file, and PERDURE_TLS_CERT of the environment; in this order
 *       one is stronger than the next. Lists are of one source: they do not add up.
 *   C2  A value that is not right is refused with a sentence that says where it came from. Nothing
 *       is half taken: the caller has a whole configuration, or an error.
 *       A name that is unknown is refused, too; but the environment has variables of others, and
 *       there one that is nearly ours is only told of.
 *   C3  An address that others can reach is refused, unless it is safe to be reached, or the
 *       operator says that he knows (insecure-listen). */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <perdure.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct config_list {
    const char **items;
    size_t count;
};

struct config {
    const char *file; /* that was read; NULL: none */
    const char *store;
    bool is_store_default; /* nobody said where: its folder is made */
    const char *hub;       /* of clients that name none */
    struct config_list hubs;
    bool dynamic_hubs;
    struct config_list listen;
    const char *http;       /* "": no HTTP */
    const char *public_url; /* where clients find it; NULL: where they asked */
    bool trust_forwarded;
    bool http_compat;
    int64_t http_history_max;
    const char *http_allow; /* of requests that orchestrations make */
    int64_t http_body_max, http_timeout_max_ms, http_poll_ms;
    const char *tls_cert, *tls_key, *tls_client_ca, *tokens; /* NULL: none */
    const char *webhooks;                                    /* likewise */
    bool insecure_listen;
    int64_t log_level, log_format; /* enum log_level, enum log_format */
    int64_t drain_ms;
    int64_t message_max, past_max, item_max; /* bytes */
    int64_t connections, streams, header_bytes, resets, backlog, lent;
    int64_t idle_ms, ping_ms, ping_timeout_ms, handshake_ms, age_max_ms;
    int64_t health_ping_ms;
    int64_t turn_timeout_ms, lost_delay_ms;
    int64_t residents, readers, crashes;
    bool reflection;
    bool check; /* only look whether all is right */
    bool help, version;
    struct config_list misspelt; /* of the environment: a name, and what is meant, in turns */
    struct arena arena;
};

/* Reads argv, the environment and the file. PD_E_INVALID. config_free also after it failed. */
pd_status config_read(struct config *config, int argc, char *const *argv, pd_error *err);
/* What holds when nobody says anything; for tests. */
void config_defaults(struct config *config);
void config_free(struct config *config);

/* What --help prints. */
void config_print_help(void);

/* The settings that are not the same in both, and that only another start changes: one by one, with
 * a cursor that begins with 0. NULL: no more. */
const char *config_next_stuck(const struct config *a, const struct config *b, size_t *cursor);

/* C3. Is this address for this machine only? */
bool config_is_loopback(const char *address);
/* May it be listened on? PD_E_INVALID. `name` is the option's. Asked again with the address that a
 * socket really has: names and sockets that are handed over say nothing of it. */
pd_status config_may_listen(const struct config *config, const char *name, const char *address,
                            pd_error *err);

#endif
