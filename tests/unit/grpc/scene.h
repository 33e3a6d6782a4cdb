/* SPDX-License-Identifier: MIT
 *
 * The scene of an attack: a server, an honest client that goes on calling it, and an attacker. */
#ifndef TESTS_UNIT_GRPC_SCENE_H
#define TESTS_UNIT_GRPC_SCENE_H

#include <pthread.h>

#include "attacker.h"
#include "rig.h"

struct scene {
    struct rig rig;
    struct grpc_channel *channel;
    pthread_t honest;
    atomic_bool is_over;
    atomic_int calls;
    int failures;
    int64_t slowest_us;
    struct attacker attacker;
};

/* The machine may be busy: what must come is waited for, up to 20 s. */
#define HEAR_UNTIL(attacker, condition)                    \
    do {                                                   \
        for (int i_ = 0; i_ < 400 && !(condition); i_++) { \
            hear((attacker), 50);                          \
        }                                                  \
        assert_true(condition);                            \
    } while (0)

int64_t now_us(void);
void begin(struct scene *scene, const struct h2_limits *limits, size_t message_max);
/* Fails when the honest client lost a call, or waited long. */
void end(struct scene *scene);
size_t calls_of(struct scene *scene); /* that are open */
size_t heap(void);

#endif
