/* SPDX-License-Identifier: MIT
 *
 * The entities of the simulator, by the public header.
 *
 * A box keeps the number of every operation that it has done, in their order, and so tells by its
 * state alone what took effect. An account keeps a balance; it begins with 100. What they do is
 * also in expect_box.c, which knows it without running it. */
#include <inttypes.h>

#include "play.h"
#include "program.h"

struct request {
    long long from, n, v, how, to, hops, late;
};

static struct request read_request(pd_entity *e, pd_value input)
{
    struct request r = { 0 };
    pd_read(e, input, "from", &r.from, "n", &r.n, "v", &r.v, "how", &r.how, "to", &r.to, "hops",
            &r.hops, "late", &r.late);
    return r;
}

/* The operation has changed everything, and ends as it was told. */
static pd_result end(pd_entity *e, const struct request *r)
{
    if (r->how == HOW_FAIL) {
        return pd_fail(e, "SimFail", "the number is %lld", r->v);
    }
    if (r->how == HOW_LEAVE) {
        long long none;
        pd_read(e, PD_NULL, "none", &none);
    }
    return pd_ok(e, r->v);
}

static void note(pd_entity *e, long long n)
{
    pd_list *log = pd_list_new(e);
    PD_EACH(item, pd_get(pd_state(e), "log")) {
        pd_list_add(log, item);
    }
    pd_list_add(log, n);
    pd_set_state(e, PD_OBJ("log", log));
}

/* How many there are, and how many of them are of whoever asks. */
static pd_result look(pd_entity *e, const struct request *r)
{
    pd_value log = pd_get(pd_state(e), "log");
    long long mine = 0;
    PD_EACH(item, log) {
        mine += pd_int(item) >> 12 == r->n >> 12;
    }
    return pd_ok(e, PD_ARR((long long)pd_count(log), mine));
}

static void tell(pd_entity *e, const struct request *r)
{
    const struct sim_entity *to = &sim_entities[r->to];
    pd_time at = { r->late > 0 ? pd_entity_now(e).ms + r->late : 0 };
    int64_t n = sim_number_after(r->n, 0);
    const char *id =
        pd_signal_entity(e, PD_ENTITY(to->alias, to->key), r->hops > 0 ? "tell" : "add",
                         PD_OBJ("from", 3, "n", n, "v", r->v, "how", HOW_WELL, "to",
                                (r->to + 1) % SIM_BOXES, "hops", r->hops - 1, "late", r->late),
                         .at = at);
    if (r->v % 5 == 0) {
        pd_cancel_signal(e, PD_ENTITY(to->name, to->key), id);
    }
}

static void start(pd_entity *e, const struct request *r)
{
    const char *id = r->v % 3 == 0 ? pd_format(e, "shared-%lld", r->v % 6) : NULL;
    pd_time at = { r->late > 0 ? pd_entity_now(e).ms + r->late : 0 };
    (void)pd_start_from_entity(e, "play",
                               PD_OBJ("seed", sim_number_after(r->n, 1), "depth", DEPTH_MAX),
                               .id = id, .at = at);
}

pd_result box(pd_entity *e, pd_value input)
{
    struct request r = read_request(e, input);
    if (pd_op_is(e, "look")) {
        return look(e, &r);
    }
    if (pd_op_is(e, "delete")) {
        pd_delete_state(e);
        return end(e, &r);
    }
    note(e, r.n);
    if (pd_op_is(e, "tell")) {
        tell(e, &r);
    } else if (pd_op_is(e, "start")) {
        start(e, &r);
    }
    return end(e, &r);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static long long balance(pd_entity *e)
{
    return pd_has_state(e) ? pd_int(pd_get(pd_state(e), "balance")) : 100;
}

pd_result account_get(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_ok(e, balance(e));
}

pd_result account_take(pd_entity *e, pd_value input)
{
    struct request r = read_request(e, input);
    long long left = balance(e) - r.v;
    pd_set_state(e, PD_OBJ("balance", left));
    return left < 0 ? pd_fail(e, "SimPoor", "%lld are missing", -left) : pd_ok(e, r.v);
}

pd_result account_give(pd_entity *e, pd_value input)
{
    struct request r = read_request(e, input);
    pd_set_state(e, PD_OBJ("balance", balance(e) + r.v));
    return pd_ok(e, r.v);
}
