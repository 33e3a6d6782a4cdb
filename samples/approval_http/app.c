/* SPDX-License-Identifier: MIT
 *
 * An expense that is handed in by an HTTP request, waits for someone's yes or no, and is paid. A
 * function app: perdure host ./approval_http.so */
#include <perdure/app.h>

/* ---- the workflow ---- */

/* Would talk to a bank. The key makes paying twice impossible there. */
static pd_result pay(pd_activity *a, pd_value expense)
{
    const char *who;
    int amount;
    if (!pd_read(a, expense, "who", &who, "amount", &amount))
        return PD_FAILED;
    pd_activity_log(a, "pays %d to %s (%s)", amount, who, pd_activity_key(a));
    return pd_ok(a, PD_OBJ("paid", amount));
}

/* Would send a mail to those who have not answered. */
static pd_result remind(pd_activity *a, pd_value input)
{
    (void)input;
    pd_activity_log(a, "somebody waits for an answer");
    return pd_ok(a, PD_NULL);
}

static pd_result expense(pd_orchestration *o, pd_value input)
{
    int amount, patience = 24 * 3600;
    pd_value answer = PD_TRUE;
    pd_read(o, input, "amount", &amount, "patience?", &patience);

    if (amount > 100) {
        pd_set_status(o, "waits for an answer");
        if (!pd_wait_event_for(o, "Answer", pd_seconds(patience), &answer))
            return pd_fail(o, "NoAnswer", "nobody has answered");
    }
    if (!pd_bool(answer))
        return pd_ok(o, PD_OBJ("paid", 0));
    return pd_ok(o, pd_call_activity(o, pay, input));
}

/* ---- the routes ---- */

/* POST /expenses: small ones are paid while the caller waits; others get links to look after. */
static void hand_in(pd_request *r)
{
    pd_hub *hub = pd_request_hub(r);
    pd_error err;
    pd_value input;
    pd_id id;
    if (!pd_request_json(r, &input, &err))
        pd_answer_error(r, &err);
    else if (pd_int(pd_get(input, "amount")) <= 0)
        pd_answer_json(r, 400, PD_OBJ("Message", "an expense has an amount, and who it is for"));
    else if (pd_hub_start(hub, expense, input, NULL, &id, &err) != PD_OK)
        pd_answer_error(r, &err);
    else
        pd_answer_wait(r, id.text, pd_seconds(1));
}

/* POST /expenses/{id}/answer: true or false */
static void answer(pd_request *r)
{
    const char *id = pd_request_parameter(r, "id");
    pd_error err;
    pd_value yes;
    if (!pd_request_json(r, &yes, &err))
        pd_answer_error(r, &err);
    else if (pd_hub_raise_event(pd_request_hub(r), id, "Answer", yes, &err) != PD_OK)
        pd_answer_error(r, &err);
    else
        pd_answer_wait(r, id, pd_seconds(5));
}

/* ---- the app ---- */

static const pd_function functions[] = {
    PD_FUNCTION("Expense", expense),
    PD_FUNCTION("Pay", pay),
    PD_FUNCTION("Remind", remind),
};

static const pd_route routes[] = {
    { .method = "POST", .path = "/expenses", .run = hand_in },
    { .method = "POST", .path = "/expenses/{id}/answer", .run = answer },
};

static const pd_timer_trigger timers[] = {
    { .name = "morning", .rule = "0 9 * * 1-5", .zone = "Europe/Berlin", .activity = "Remind" },
};

PD_APP(.name = "approval", PD_FUNCTIONS(functions), PD_ROUTES(routes), PD_TIMERS(timers))
