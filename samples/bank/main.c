/* SPDX-License-Identifier: MIT
 *
 * A bank: accounts are entities, a transfer locks two of them and changes both. Kill the program as
 * often as you like, and run it again: no money is made, none is lost, and no transfer happens
 * twice.
 *
 *     bank [TRANSFERS] [URL] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS = 10, START_WITH = 1000 };

/* ---- an account, an operation a function ---- */

static pd_result balance(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_ok(e, pd_has_state(e) ? pd_int(pd_state(e)) : START_WITH);
}

static pd_result deposit(pd_entity *e, pd_value amount)
{
    int64_t now = pd_has_state(e) ? pd_int(pd_state(e)) : START_WITH;
    pd_set_state(e, now + pd_int(amount));
    return pd_ok(e, now + pd_int(amount));
}

static pd_result withdraw(pd_entity *e, pd_value amount)
{
    int64_t now = pd_has_state(e) ? pd_int(pd_state(e)) : START_WITH;
    if (now < pd_int(amount))
        return pd_fail(e, "NotEnough", "%s has %lld", pd_entity_key(e), (long long)now);
    pd_set_state(e, now - pd_int(amount));
    return pd_ok(e, now - pd_int(amount));
}

static const pd_operation account[] = {
    { "balance", balance },
    { "deposit", deposit },
    { "withdraw", withdraw },
};

/* ---- a transfer ---- */

static pd_result transfer(pd_orchestration *o, pd_value input)
{
    const char *from, *to;
    int amount;
    pd_read(o, input, "from", &from, "to", &to, "amount", &amount);

    pd_entity_id source = PD_ENTITY("account", from);
    pd_entity_id target = PD_ENTITY("account", to);

    PD_LOCKED(o, source, target) {
        int64_t has = pd_int(pd_call_entity(o, source, "balance", PD_NULL));
        if (has < amount)
            return pd_fail(o, "NotEnough", "%s has %lld", from, (long long)has);

        pd_call_entity(o, source, "withdraw", amount);
        pd_call_entity(o, target, "deposit", amount);
    }
    return pd_ok(o, PD_TRUE);
}

static const pd_function program[] = {
    PD_FUNCTION("Transfer", transfer),
    PD_ENTITY_TABLE("account", account),
};

/* ---- the program ---- */

/* The same transfers each time: one that was started by a run before is left as it is. */
static int start(pd_hub *hub, int number)
{
    char id[32], from[16], to[16];
    unsigned random = (unsigned)number * 2654435761u;
    int a = (int)(random >> 8) % ACCOUNTS;
    snprintf(id, sizeof id, "transfer-%d", number);
    snprintf(from, sizeof from, "%d", a);
    snprintf(to, sizeof to, "%d", (a + 1 + (int)(random >> 20) % (ACCOUNTS - 1)) % ACCOUNTS);

    pd_error err;
    pd_start_options options = { .id = id, .reuse = PD_REUSE_KEEP };
    pd_literal input = PD_OBJ("from", from, "to", to, "amount", (int)(random >> 4) % 300);
    if (pd_hub_start(hub, transfer, input, &options, NULL, &err) != PD_OK)
        return pd_error_report(&err);
    return 0;
}

/* How many were refused; -1: the bank cannot be reached. */
static int wait_for_all(pd_hub *hub, int count)
{
    int refused = 0;
    for (int i = 0; i < count; i++) {
        char id[32];
        pd_error err;
        snprintf(id, sizeof id, "transfer-%d", i);
        PD_AUTO(pd_instance) done = pd_hub_wait(hub, id, pd_minutes(5), &err);
        if (!done) {
            pd_error_report(&err);
            return -1;
        }
        refused += pd_instance_state(done) == PD_RUN_FAILED;
    }
    return refused;
}

/* -1: the bank cannot be reached. */
static int64_t sum_of_accounts(pd_hub *hub)
{
    int64_t sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        char key[16];
        pd_error err;
        snprintf(key, sizeof key, "%d", i);
        PD_AUTO(pd_entity_view) view = pd_hub_fetch_entity(hub, PD_ENTITY("account", key), &err);
        if (view)
            sum += pd_int(pd_entity_view_state(view));
        else if (err.status == PD_E_NOT_FOUND)
            sum += START_WITH; /* nobody has used it yet */
        else
            return -1;
    }
    return sum;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    const char *url = argc > 2 ? argv[2] : "sqlite:bank.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    for (int i = 0; i < count; i++) {
        if (start(hub, i) != 0)
            return 1;
    }
    int refused = wait_for_all(hub, count);
    int64_t sum = sum_of_accounts(hub);
    printf("%d transfers, %d refused, the accounts hold %lld\n", count, refused, (long long)sum);
    return refused < 0 || sum != ACCOUNTS * START_WITH;
}
