/* SPDX-License-Identifier: MIT
 *
 * Builtin: the functions that Perdure itself runs, wherever the author room does: in a worker of a
 * file, and in perdured. */
#ifndef BUILTIN_BUILTIN_H
#define BUILTIN_BUILTIN_H

#include <perdure.h>
#include <string.h>

#include "base/text.h"

/* Names and IDs that begin so are nobody else's. */
#define BUILTIN_PREFIX "perdure."

static inline bool builtin_is_own(const char *name)
{
    return strncmp(name, BUILTIN_PREFIX, sizeof BUILTIN_PREFIX - 1) == 0;
}

/* Whoever starts instances may have these not run for him: they would trust him. An activity of
 * BUILTIN_ACTIVITY has asked itself. */
static inline bool builtin_is_for_us(const char *name)
{
    return builtin_is_own(name) || strncmp(name, "BuiltIn", 7) == 0;
}

/* Rows for ever. */
const pd_function *builtin_functions(size_t *ret_count);

#define BUILTIN_CALL "perdure.call"
#define BUILTIN_RUN "perdure.run"
#define BUILTIN_ACTIVITY "perdure.activity"

/* Conversations over HTTP: of pd_call_http; of workers of SDKs that have none of their own; and one
 * that a server starts for an activity of BUILTIN_HTTP_ACTIVITY. */
#define BUILTIN_HTTP "perdure.http"
#define BUILTIN_HTTP_POLL "BuiltIn__HttpPollOrchestrator"
#define BUILTIN_HTTP_STEP "perdure.http.step"
/* What they ask, in the same order, for each request: activities that no program has. */
#define BUILTIN_REQUEST "perdure.request"
#define BUILTIN_HTTP_WORKER_ACTIVITY "BuiltIn__HttpActivity"
#define BUILTIN_HTTP_STEP_REQUEST "perdure.http.request"
/* And what SDKs do. */
#define BUILTIN_HTTP_ACTIVITY "BuiltIn::HttpActivity"

/* Of a server only: tells webhooks of a change; and what it asks for each of them. */
#define BUILTIN_NOTIFY "perdure.notify"
#define BUILTIN_DELIVER "perdure.deliver"

/* Between two polls where the answer does not say; of this process. 0: 30 s. */
void builtin_set_http_poll(int64_t ms);

/* Orchestrations that are means to an end: nobody looks for them once they have ended. */
enum { BUILTIN_PASSING = 3 };
extern const struct text builtin_passing[BUILTIN_PASSING];
/* Likewise, once they have completed. */
extern const struct text builtin_passing_completed[1];

/* schedule.c */
extern const pd_entity_rules schedule_rules;
pd_result schedule_run(pd_orchestration *o, pd_value input);

/* notify.c */
pd_result notify_run(pd_orchestration *o, pd_value input);

/* http.c */
pd_result http_call(pd_orchestration *o, pd_value input);
pd_result http_poll(pd_orchestration *o, pd_value input);
pd_result http_step(pd_orchestration *o, pd_value input);

#endif
