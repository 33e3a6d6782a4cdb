/* SPDX-License-Identifier: MIT
 *
 * The tables of option_rows.c, for the table of commands. Each is ended by a row without name.
 */
#ifndef CLI_OPTION_ROWS_H
#define CLI_OPTION_ROWS_H

#include "cli.h"

extern const struct option_row no_options[];
extern const struct option_row start_options[];
extern const struct option_row list_options[];
extern const struct option_row filter_options[];
extern const struct option_row history_options[];
extern const struct option_row purge_options[];
extern const struct option_row order_options[];
extern const struct option_row terminate_options[];
extern const struct option_row restart_options[];
extern const struct option_row fork_options[];
extern const struct option_row watch_options[];
extern const struct option_row show_options[];
extern const struct option_row wait_options[];
extern const struct option_row raise_options[];
extern const struct option_row hello5_options[];
extern const struct option_row latency_options[];
extern const struct option_row sleepers_options[];
extern const struct option_row fanout_options[];
extern const struct option_row timers_options[];
extern const struct option_row events_options[];
extern const struct option_row replay_options[];
extern const struct option_row entity_list_options[];
extern const struct option_row entity_call_options[];
extern const struct option_row entity_signal_options[];
extern const struct option_row schedule_put_options[];
extern const struct option_row schedule_list_options[];
extern const struct option_row entity_bench_options[];
extern const struct option_row lock_bench_options[];

#endif
