/* SPDX-License-Identifier: MIT
 *
 * An aggregator: many senders, one sum, and nobody waits for anybody. Each sensor is an entity that
 * keeps its highest reading; when that rises it tells its building, and a building that becomes too
 * hot starts an orchestration, once.
 *
 *     aggregator [SENSORS] [READINGS] [URL] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOO_HOT = 90 };

static pd_result warn(pd_orchestration *o, pd_value input)
{
    pd_log(o, "it is too hot: %s", pd_json(o, input));
    return pd_ok(o, input);
}

static pd_result sensor(pd_entity *e, pd_value reading)
{
    if (!pd_has_state(e) || pd_int(reading) > pd_int(pd_state(e))) {
        pd_set_state(e, reading);
        pd_signal_entity(e, PD_ENTITY("building", "main"), "rises",
                         PD_OBJ("sensor", pd_entity_key(e), "to", reading));
    }
    return pd_ok(e, PD_NULL);
}

static pd_result building(pd_entity *e, pd_value input)
{
    int64_t rises = pd_int(pd_get(pd_state(e), "rises")) + 1;
    int64_t highest = pd_int(pd_get(pd_state(e), "highest"));
    int64_t to = pd_int(pd_get(input, "to"));

    if (to > TOO_HOT && highest <= TOO_HOT)
        pd_start_from_entity(e, warn, input, .id = "too-hot");
    if (to > highest)
        highest = to;
    pd_set_state(e, PD_OBJ("rises", rises, "highest", highest));
    return pd_ok(e, PD_NULL);
}

static const pd_function program[] = {
    PD_FUNCTION("sensor", sensor),
    PD_FUNCTION("building", building),
    PD_FUNCTION("Warn", warn),
};

/* All readings of all sensors in a few calls: each is durable when it returns. */
static pd_status send_readings(pd_hub *hub, int sensors, int readings, pd_error *err)
{
    enum { AT_ONCE = 1000 };
    static char keys[AT_ONCE][16];
    static pd_signal signals[AT_ONCE];
    size_t n = 0;
    for (int64_t i = 0; i < (int64_t)sensors * readings; i++) {
        snprintf(keys[n], sizeof keys[n], "%d", (int)(i % sensors));
        signals[n] = (pd_signal){ .entity = PD_ENTITY("sensor", keys[n]),
                                  .op = "reads",
                                  .input = pd_of_int((i * 7919) % 101) };
        if (++n == AT_ONCE || i == (int64_t)sensors * readings - 1) {
            pd_status status = pd_hub_signal_many(hub, signals, n, err);
            if (status != PD_OK)
                return status;
            n = 0;
        }
    }
    return PD_OK;
}

int main(int argc, char **argv)
{
    int sensors = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    int readings = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;
    const char *url = argc > 3 ? argv[3] : "sqlite:aggregator.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    if (send_readings(hub, sensors, readings, &err) != PD_OK)
        return pd_error_report(&err);

    PD_AUTO(pd_instance) warned = pd_hub_wait(hub, "too-hot", pd_seconds(10), &err);
    PD_AUTO(pd_entity_view) view = pd_hub_fetch_entity(hub, PD_ENTITY("building", "main"), &err);
    if (!view)
        return pd_error_report(&err);
    printf("%s, %s\n", pd_entity_view_state_json(view), warned ? "warned once" : "all is well");
    return 0;
}
