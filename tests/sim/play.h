/* SPDX-License-Identifier: MIT
 *
 * The user's side of the simulation: orchestrators and activities, by the public header. */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include <perdure.h>

extern const pd_function play_program[];
extern const size_t play_program_count;

#endif
