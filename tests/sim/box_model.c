/* SPDX-License-Identifier: MIT
 *
 * The model of entities. See box_model.h. */
#include "box_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

bool box_request_read(struct text payload, struct box_request *ret)
{
    char text[256];
    *ret = (struct box_request){ 0 };
    if (payload.size >= sizeof text || !text_is_present(payload)) {
        return false;
    }
    memcpy(text, payload.at, payload.size);
    text[payload.size] = '\0';
    return sscanf(text,
                  "{\"from\":%" SCNd64 ",\"n\":%" SCNd64 ",\"v\":%" SCNd64
                  ",\"how\":%d,\"to\":%d,\"hops\":%d,\"late\":%" SCNd64 "}",
                  &ret->from, &ret->n, &ret->value, &ret->how, &ret->to, &ret->hops,
                  &ret->late_ms) == 7;
}

struct text box_request_write(struct arena *arena, const struct box_request *r)
{
    return text_of(arena_printf(arena,
                                "{\"from\":%" PRId64 ",\"n\":%" PRId64 ",\"v\":%" PRId64
                                ",\"how\":%d,\"to\":%d,\"hops\":%d,\"late\":%" PRId64 "}",
                                r->from, r->n, r->value, r->how, r->to, r->hops, r->late_ms));
}

unsigned box_entity_of(struct text id)
{
    unsigned entity = 0;
    while (entity < SIM_ENTITIES && !text_equal(id, text_of(sim_entities[entity].id))) {
        entity++;
    }
    return entity;
}

static enum deed deed_of(struct text operation)
{
    for (int deed = 0; deed < DEED_COUNT; deed++) {
        if (operation.size == strlen(sim_deeds[deed]) &&
            strncasecmp(operation.at, sim_deeds[deed], operation.size) == 0) {
            return (enum deed)deed;
        }
    }
    return DEED_COUNT;
}

struct text box_model_state(const struct box_model *model, struct arena *arena)
{
    if (!model->has_state) {
        return TEXT_ABSENT;
    }
    if (sim_is_account(model->entity)) {
        return text_of(arena_printf(arena, "{\"balance\":%" PRId64 "}", model->balance));
    }
    size_t room = 16 + model->count * 21;
    char *text = arena_alloc(arena, room);
    size_t used = (size_t)snprintf(text, room, "{\"log\":[");
    for (size_t i = 0; i < model->count; i++) {
        used += (size_t)snprintf(text + used, room - used, "%s%" PRId64, i > 0 ? "," : "",
                                 model->log[i]);
    }
    used += (size_t)snprintf(text + used, room - used, "]}");
    return text_make(text, used);
}

static struct text number_text(struct arena *arena, int64_t number)
{
    return text_of(arena_printf(arena, "%" PRId64, number));
}

/* ---- accounts -------------------------------------------------------------------------------- */

static void do_account(struct box_model *model, enum deed deed, const struct box_request *r,
                       struct arena *arena, struct box_result *ret)
{
    int64_t balance = model->has_state ? model->balance : 100;
    if (deed == DEED_GET) {
        ret->payload = number_text(arena, balance);
        return;
    }
    if (deed != DEED_TAKE && deed != DEED_GIVE) {
        ret->failure_type = "OperationNotFound";
        return;
    }
    balance += deed == DEED_TAKE ? -r->value : r->value;
    if (balance < 0) {
        ret->failure_type = "SimPoor";
        return;
    }
    model->has_state = true;
    model->balance = balance;
    ret->amount = deed == DEED_TAKE ? -r->value : r->value;
    ret->payload = number_text(arena, r->value);
}

/* ---- boxes ----------------------------------------------------------------------------------- */

static void look(const struct box_model *model, const struct box_request *r, struct arena *arena,
                 struct box_result *ret)
{
    size_t mine = 0;
    for (size_t i = 0; i < model->count; i++) {
        mine += model->log[i] >> 12 == r->n >> 12;
    }
    ret->payload = text_of(arena_printf(arena, "[%zu,%zu]", model->count, mine));
}

static void note(struct box_model *model, int64_t n, struct arena *arena)
{
    if (model->count == model->room) {
        model->room = model->room * 2 + 16;
        int64_t *more = arena_alloc(arena, model->room * sizeof *more);
        if (model->count > 0) {
            memcpy(more, model->log, model->count * sizeof *more);
        }
        model->log = more;
    }
    model->log[model->count++] = n;
    model->has_state = true;
}

static void tell(const struct box_request *r, struct arena *arena, struct box_result *ret)
{
    struct box_request told = {
        .from = 3,
        .n = sim_number_after(r->n, 0),
        .value = r->value,
        .to = (r->to + 1) % SIM_BOXES,
        .hops = r->hops - 1,
        .late_ms = r->late_ms,
    };
    ret->tells = true;
    ret->takes_back = r->value % 5 == 0;
    ret->to = (unsigned)r->to;
    ret->told_op = r->hops > 0 ? TEXT("tell") : TEXT("add");
    ret->told_payload = box_request_write(arena, &told);
    ret->late_ms = r->late_ms > 0 ? r->late_ms : 0;
}

static void start(const struct box_request *r, struct arena *arena, struct box_result *ret)
{
    ret->starts = true;
    ret->late_ms = r->late_ms > 0 ? r->late_ms : 0;
    ret->start_payload = text_of(arena_printf(arena, "{\"seed\":%" PRId64 ",\"depth\":%d}",
                                              sim_number_after(r->n, 1), DEPTH_MAX));
    if (r->value % 3 == 0) {
        ret->start_id = text_of(arena_printf(arena, "shared-%" PRId64, r->value % 6));
    }
}

static void do_box(struct box_model *model, enum deed deed, const struct box_request *r,
                   struct arena *arena, struct box_result *ret)
{
    if (deed == DEED_LOOK) {
        look(model, r, arena, ret);
        return;
    }
    if (r->how != HOW_WELL) {
        ret->failure_type = r->how == HOW_FAIL ? "SimFail" : "BadInput";
        return;
    }
    ret->payload = number_text(arena, r->value);
    if (deed == DEED_DELETE) {
        model->has_state = false;
        model->count = 0;
        return;
    }
    note(model, r->n, arena);
    if (deed == DEED_TELL) {
        tell(r, arena, ret);
    } else if (deed == DEED_START) {
        start(r, arena, ret);
    }
}

void box_model_do(struct box_model *model, struct text operation, struct text payload,
                  struct arena *arena, struct box_result *ret)
{
    struct box_request request;
    enum deed deed = deed_of(operation);
    *ret = (struct box_result){ 0 };
    if (model->entity >= SIM_STRANGER) {
        ret->failure_type = "EntityNotFound";
    } else if (!box_request_read(payload, &request)) {
        ret->failure_type = "BadInput";
    } else if (sim_is_account(model->entity)) {
        do_account(model, deed, &request, arena, ret);
    } else {
        do_box(model, deed, &request, arena, ret);
    }
}
