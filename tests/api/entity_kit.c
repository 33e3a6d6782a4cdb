/* SPDX-License-Identifier: MIT
 *
 * The kit of the tests of entities; see entity_kit.h.
 */
#include "entity_kit.h"

#include <stdio.h>

/* ---- entities ------------------------------------------------------------------------------- */

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e));
    if (pd_op_is(e, "add")) {
        pd_set_state(e, n + pd_int(input));
    } else if (pd_op_is(e, "set")) {
        pd_set_state(e, input);
    } else if (pd_op_is(e, "delete")) {
        pd_delete_state(e);
    } else if (pd_op_is(e, "spoil")) {
        pd_set_state(e, input);
        pd_signal_entity(e, PD_ENTITY("Log", "spoil"), "push", input);
        pd_start_from_entity(e, "Echo", input, .id = "spoiled");
        return pd_fail(e, "Spoiled", "it was spoilt by %s", pd_op(e));
    } else if (!pd_op_is(e, "get")) {
        return pd_fail(e, "Unknown", "a counter cannot '%s'", pd_op(e));
    }
    return pd_ok(e, pd_state(e));
}

static pd_result push(pd_entity *e, pd_value input)
{
    pd_list *all = pd_list_new(e);
    PD_EACH(item, pd_state(e)) {
        pd_list_add(all, item);
    }
    pd_list_add(all, input);
    pd_set_state(e, all);
    return pd_ok(e, pd_count(pd_state(e)));
}

static pd_result all_of(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_ok(e, pd_state(e));
}

static const pd_operation log_operations[] = { { "push", push }, { "all", all_of } };

static pd_result pass(pd_entity *e, pd_value input)
{
    const char *name, *key, *op;
    pd_value x = PD_NULL;
    int in_ms = 0;
    pd_read(e, input, "name", &name, "key", &key, "op", &op, "input?", &x, "in_ms?", &in_ms);
    pd_time at = in_ms > 0 ? pd_after(pd_entity_now(e), pd_milliseconds(in_ms)) : (pd_time){ 0 };
    const char *id = pd_signal_entity(e, PD_ENTITY(name, key), op, x, .at = at);
    return pd_ok(e, id);
}

static pd_result drop(pd_entity *e, pd_value input)
{
    const char *name, *key, *id;
    pd_read(e, input, "name", &name, "key", &key, "id", &id);
    pd_cancel_signal(e, PD_ENTITY(name, key), id);
    return pd_ok(e, PD_NULL);
}

static pd_result launch(pd_entity *e, pd_value input)
{
    const char *name;
    const char *id = NULL;
    pd_value x = PD_NULL;
    pd_read(e, input, "name", &name, "id?", &id, "input?", &x);
    const char *started = pd_start_from_entity(e, name, x, .id = id);
    return pd_ok(e, started);
}

/* To itself: once more, behind what stands in line. */
static pd_result echo_twice(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e)) + 1;
    pd_set_state(e, n);
    if (n < 3) {
        pd_signal_entity(e, PD_ENTITY(pd_entity_name(e), pd_entity_key(e)), "echo", input);
    }
    return pd_ok(e, n);
}

static const pd_operation relay_operations[] = {
    { "pass", pass }, { "drop", drop }, { "launch", launch }, { "echo", echo_twice }
};

static pd_result deposit(pd_entity *e, pd_value amount)
{
    pd_set_state(e, pd_int(pd_state(e)) + pd_int(amount));
    return pd_ok(e, pd_state(e));
}

static pd_result withdraw(pd_entity *e, pd_value amount)
{
    if (pd_int(pd_state(e)) < pd_int(amount)) {
        return pd_fail(e, "NotEnough", "%s has less than that", pd_entity_key(e));
    }
    pd_set_state(e, pd_int(pd_state(e)) - pd_int(amount));
    return pd_ok(e, pd_state(e));
}

static const pd_operation account_operations[] = { { "deposit", deposit },
                                                   { "withdraw", withdraw },
                                                   { "balance", all_of } };

/* ---- orchestrators -------------------------------------------------------------------------- */

static pd_result ask(pd_orchestration *o, pd_value input)
{
    const char *name, *key, *op;
    pd_value x = PD_NULL;
    pd_read(o, input, "name", &name, "key", &key, "op", &op, "input?", &x);
    pd_value answer = pd_call_entity(o, PD_ENTITY(name, key), op, x);
    return pd_ok(o, answer);
}

static pd_result send(pd_orchestration *o, pd_value input)
{
    const char *name, *key, *op;
    pd_value x = PD_NULL;
    int in_ms = 0;
    pd_read(o, input, "name", &name, "key", &key, "op", &op, "input?", &x, "in_ms?", &in_ms);
    pd_time at = in_ms > 0 ? pd_after(pd_now(o), pd_milliseconds(in_ms)) : (pd_time){ 0 };
    const char *id = pd_signal_entity(o, PD_ENTITY(name, key), op, x, .at = at);
    return pd_ok(o, id);
}

static pd_result echo(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static pd_result hold(pd_orchestration *o, pd_value input)
{
    const char *name, *key;
    const char *until = "go";
    pd_value state = PD_NULL;
    pd_read(o, input, "name", &name, "key", &key, "until?", &until);
    pd_entity_id entity = PD_ENTITY(name, key);
    PD_LOCKED(o, entity) {
        pd_set_status(o, "held");
        pd_wait_event(o, until);
        state = pd_call_entity(o, entity, "add", 1);
    }
    return pd_ok(o, state);
}

static pd_result transfer(pd_orchestration *o, pd_value input)
{
    const char *from, *to;
    int amount;
    pd_read(o, input, "from", &from, "to", &to, "amount", &amount);
    pd_entity_id source = PD_ENTITY("Account", from);
    pd_entity_id target = PD_ENTITY("Account", to);
    PD_LOCKED(o, source, target) {
        int64_t balance = pd_int(pd_call_entity(o, source, "balance", PD_NULL));
        if (balance < amount) {
            return pd_ok(o, PD_FALSE);
        }
        pd_call_entity(o, source, "withdraw", amount);
        pd_call_entity(o, target, "deposit", amount);
    }
    return pd_ok(o, PD_TRUE);
}

const pd_function entity_program[] = {
    PD_FUNCTION("Counter", counter),
    PD_ENTITY_TABLE("Log", log_operations),
    PD_ENTITY_TABLE("Relay", relay_operations),
    PD_ENTITY_TABLE("Account", account_operations),
    PD_FUNCTION("Ask", ask),
    PD_FUNCTION("Send", send),
    PD_FUNCTION("Echo", echo),
    PD_FUNCTION("Hold", hold),
    PD_FUNCTION("Transfer", transfer),
};
const size_t entity_program_size = sizeof(entity_program) / sizeof(entity_program[0]);

/* ---- calls ---------------------------------------------------------------------------------- */

enum { PATIENCE_MS = 30000 };

void ent_work(struct kit *kit, const pd_worker_options *options)
{
    kit_work_on(kit, entity_program, entity_program_size, options);
}

void ent_work_with(struct kit *kit, const pd_function *more, size_t n,
                   const pd_worker_options *options)
{
    static pd_function program[64];
    assert_true(n + entity_program_size <= 64);
    memcpy(program, entity_program, entity_program_size * sizeof(program[0]));
    memcpy(program + entity_program_size, more, n * sizeof(program[0]));
    kit_work_on(kit, program, entity_program_size + n, options);
}

void ent_signal(struct kit *kit, pd_entity_id entity, const char *op, pd_value input)
{
    pd_error err;
    kit_expect(pd_hub_signal_entity(kit->hub, entity, op, input, NULL, NULL, &err), PD_OK, &err,
               op);
}

void ent_assert_call(struct kit *kit, pd_entity_id entity, const char *op, pd_value input,
                     const char *json)
{
    pd_error err;
    pd_instance *i =
        pd_hub_call_entity(kit->hub, entity, op, input, pd_milliseconds(PATIENCE_MS), &err);
    if (i == NULL) {
        fail_msg("%s: %s: %s", op, err.where, err.text);
    }
    const pd_failure *failure = pd_instance_failure(i);
    if (json != NULL && json[0] == '!') {
        assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
        assert_string_equal(failure->type, json + 1);
    } else if (pd_instance_state(i) != PD_RUN_COMPLETED) {
        fail_msg("'%s' of @%s@%s: %s: %s", op, entity.name, entity.key, failure->type,
                 failure->message);
    } else if (json != NULL) {
        assert_string_equal(pd_instance_output_json(i), json);
    }
    pd_instance_free(i);
}

/* NULL: there is none. */
static pd_entity_view *look(struct kit *kit, pd_entity_id entity)
{
    pd_error err;
    pd_entity_view *view = pd_hub_fetch_entity(kit->hub, entity, &err);
    if (view == NULL && err.status != PD_E_NOT_FOUND) {
        fail_msg("pd_hub_fetch_entity: %s: %s", err.where, err.text);
    }
    return view;
}

pd_entity_view *ent_fetch(struct kit *kit, pd_entity_id entity)
{
    pd_entity_view *view = look(kit, entity);
    if (view == NULL) {
        fail_msg("there is no @%s@%s", entity.name, entity.key);
    }
    return view;
}

bool ent_exists(struct kit *kit, pd_entity_id entity)
{
    pd_entity_view *view = look(kit, entity);
    pd_entity_view_free(view);
    return view != NULL;
}

/* The state, or that there is none. */
static void describe(struct kit *kit, pd_entity_id entity, char *ret, size_t size)
{
    pd_entity_view *view = look(kit, entity);
    snprintf(ret, size, "%s", view != NULL ? pd_entity_view_state_json(view) : "(none)");
    pd_entity_view_free(view);
}

void ent_assert_state(struct kit *kit, pd_entity_id entity, const char *json)
{
    char got[4096];
    describe(kit, entity, got, sizeof(got));
    assert_string_equal(got, json != NULL ? json : "(none)");
}

void ent_await_state(struct kit *kit, pd_entity_id entity, const char *json)
{
    char got[4096];
    const char *wanted = json != NULL ? json : "(none)";
    int64_t until = kit_now_ms() + PATIENCE_MS;
    describe(kit, entity, got, sizeof(got));
    while (strcmp(got, wanted) != 0) {
        if (kit_now_ms() > until) {
            fail_msg("@%s@%s is %s, not %s", entity.name, entity.key, got, wanted);
        }
        kit_sleep_ms(2);
        describe(kit, entity, got, sizeof(got));
    }
}

void ent_await_lock(struct kit *kit, pd_entity_id entity, const char *id)
{
    int64_t until = kit_now_ms() + PATIENCE_MS;
    for (bool is_so = false; !is_so;) {
        pd_entity_view *view = look(kit, entity);
        const char *owner = view != NULL ? pd_entity_view_locked_by(view) : NULL;
        is_so = owner == NULL || id == NULL ? owner == id : strcmp(owner, id) == 0;
        if (!is_so && kit_now_ms() > until) {
            fail_msg("@%s@%s is locked by %s, not %s", entity.name, entity.key,
                     owner != NULL ? owner : "nobody", id != NULL ? id : "nobody");
        }
        pd_entity_view_free(view);
        kit_sleep_ms(is_so ? 0 : 2);
    }
}

void ent_await_backlog(struct kit *kit, pd_entity_id entity, size_t wanted)
{
    int64_t until = kit_now_ms() + PATIENCE_MS;
    for (size_t got = wanted + 1; got != wanted;) {
        pd_entity_view *view = look(kit, entity);
        got = view != NULL ? pd_entity_view_backlog(view) : 0;
        pd_entity_view_free(view);
        if (got != wanted && kit_now_ms() > until) {
            fail_msg("%zu wait for @%s@%s, not %zu", got, entity.name, entity.key, wanted);
        }
        kit_sleep_ms(got == wanted ? 0 : 2);
    }
}

void ent_await_status(struct kit *kit, const char *id, const char *json)
{
    int64_t until = kit_now_ms() + PATIENCE_MS;
    for (bool is_so = false; !is_so;) {
        pd_instance *i = kit_fetch(kit, id);
        is_so = strcmp(pd_instance_status_json(i), json) == 0;
        if (!is_so && (kit_now_ms() > until || pd_instance_is_ended(i))) {
            const pd_failure *f = pd_instance_failure(i);
            fail_msg("the status of '%s' is %s, not %s; %s %s", id, pd_instance_status_json(i),
                     json, pd_run_state_name(pd_instance_state(i)), f != NULL ? f->message : "");
        }
        pd_instance_free(i);
        kit_sleep_ms(is_so ? 0 : 2);
    }
}

void ent_assert_fails(struct kit *kit, const char *id, const char *type, const char *cause)
{
    pd_instance *i = kit_wait(kit, id);
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    const pd_failure *f = pd_instance_failure(i);
    if (strcmp(f->type, type) != 0) {
        fail_msg("'%s' failed with %s (%s), not %s", id, f->type, f->message, type);
    }
    if (cause != NULL) {
        assert_non_null(f->cause);
        assert_string_equal(f->cause->type, cause);
    }
    pd_instance_free(i);
}

size_t ent_count(struct kit *kit, pd_entity_query query)
{
    pd_error err;
    pd_entity_page *page = pd_hub_query_entities(kit->hub, &query, &err);
    if (page == NULL) {
        fail_msg("pd_hub_query_entities: %s", err.text);
    }
    size_t count = pd_entity_page_count(page);
    pd_entity_page_free(page);
    return count;
}
