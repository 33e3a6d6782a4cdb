/* SPDX-License-Identifier: MIT
 *
 * A server in a thread, with methods that do what tests ask for:
 *
 *   /rig.Rig/Echo     unary: the message back; with metadata "x-say" that as status text, and the
 *                     status of "x-status"
 *   /rig.Rig/Later    unary: the message back after 50 ms
 *   /rig.Rig/Never    unary: no answer at all
 *   /rig.Rig/Toggle   unary: says to health that it does not serve, or does again
 *   /rig.Rig/Who      unary: the name in the client's certificate, or "nobody"
 *   /rig.Rig/Count    server stream: as many messages as the message, as a number, says; each of
 *                     "x-size" bytes
 *   /rig.Rig/Paced    server stream: the same, but it asks what waits before it sends more
 *   /rig.Rig/Watch    server stream: opens, one message at once, nothing more
 *   /rig.Rig/Talk     both streams: each message back; ends at the message "end", or when the
 *                     client has said all
 *   /rig.Rig/Swallow  both streams: nothing back; how much comes between two looks at other sockets
 *                     is in `swallowed_at_once` */
#ifndef TESTS_UNIT_GRPC_RIG_H
#define TESTS_UNIT_GRPC_RIG_H

#include <stdatomic.h>

#include "grpc/grpc.h"

struct rig {
    struct loop *loop;
    struct grpc_server *server;
    char address[128];
    unsigned port;
    atomic_int begun, gone, counted, drained, complaints;
    atomic_size_t connections; /* as of rig_ask */
    atomic_size_t calls;
    atomic_int last_status; /* of what was counted */
    atomic_size_t swallowed, swallowed_at_once;
    size_t in_round; /* the loop's */
    struct loop_job round;
    struct rig_thread *thread;
    bool is_serving;
};

/* Zeroes in options: the rig's own methods on 127.0.0.1. */
void rig_start(struct rig *rig, const struct grpc_server_options *options, struct tls *tls);
void rig_stop(struct rig *rig);
void rig_ask(struct rig *rig);                            /* fills in connections and calls */
void rig_do(struct rig *rig, void (*what)(struct rig *)); /* on the loop's thread; waits */
/* Runs a script of this folder with the port as argument: true when it ended with 0, *skipped when
 * with 77. */
bool rig_script(struct rig *rig, const char *script, const char *argument, bool *skipped);

#endif
