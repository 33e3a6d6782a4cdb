/* SPDX-License-Identifier: MIT
 *
 * Deadlines of a server's calls: a heap in which each call knows its place, so that one that ends
 * in time, as nearly all do, leaves nothing behind. One timer for all. */
#include "base/assert.h"
#include "base/memory.h"
#include "grpc/server_priv.h"

static void place(struct deadlines *deadlines, size_t at, struct grpc_call *call)
{
    deadlines->heap[at] = call;
    call->deadline_at = at;
}

static void sift_up(struct deadlines *deadlines, size_t at, struct grpc_call *call)
{
    while (at > 0 && call->deadline < deadlines->heap[(at - 1) / 2]->deadline) {
        place(deadlines, at, deadlines->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(deadlines, at, call);
}

static void sift_down(struct deadlines *deadlines, size_t at, struct grpc_call *call)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= deadlines->count) {
            break;
        }
        if (child + 1 < deadlines->count &&
            deadlines->heap[child + 1]->deadline < deadlines->heap[child]->deadline) {
            child++;
        }
        if (call->deadline <= deadlines->heap[child]->deadline) {
            break;
        }
        place(deadlines, at, deadlines->heap[child]);
        at = child;
    }
    place(deadlines, at, call);
}

/* It may fire too early, when the call it was set for has ended: then it is set again. */
static void set_timer(struct grpc_server *server)
{
    if (server->deadlines.count == 0 || server->deadlines.heap[0]->deadline >= server->timer_at) {
        return;
    }
    server->timer_at = server->deadlines.heap[0]->deadline;
    loop_timer_set(server->timer, server->timer_at - loop_steady(server->loop));
}

void deadlines_add(struct grpc_server *server, struct grpc_call *call)
{
    struct deadlines *deadlines = &server->deadlines;
    if (deadlines->count == deadlines->room) {
        size_t room = deadlines->room != 0 ? deadlines->room * 2 : 64;
        deadlines->heap = mem_grow(deadlines->heap, deadlines->room * sizeof(struct grpc_call *),
                                   room * sizeof(struct grpc_call *));
        deadlines->room = room;
    }
    deadlines->count++;
    sift_up(deadlines, deadlines->count - 1, call);
    set_timer(server);
}

void deadlines_remove(struct grpc_server *server, struct grpc_call *call)
{
    struct deadlines *deadlines = &server->deadlines;
    if (call->deadline == TIME_NEVER) {
        return;
    }
    assert_that(deadlines->heap[call->deadline_at] == call);
    struct grpc_call *last = deadlines->heap[--deadlines->count];
    if (last != call) {
        if (last->deadline < call->deadline) {
            sift_up(deadlines, call->deadline_at, last);
        } else {
            sift_down(deadlines, call->deadline_at, last);
        }
    }
    call->deadline = TIME_NEVER;
}

void deadlines_fire(void *argument)
{
    struct grpc_server *server = argument;
    time_us now = loop_steady(server->loop);
    server->timer_at = TIME_NEVER;
    while (server->deadlines.count != 0 && server->deadlines.heap[0]->deadline <= now) {
        call_gone(server->deadlines.heap[0], GRPC_DEADLINE_EXCEEDED, "the time allowed has passed");
    }
    set_timer(server);
}
