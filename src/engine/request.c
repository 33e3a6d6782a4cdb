/* SPDX-License-Identifier: MIT
 *
 * Requests: what is asked of an engine without waiting for it.
 *
 * A request is one block: what the caller sees of it, and the command that travels. It is counted
 * among those inside the engine (call.c) only while it is pushed: what is on its way when the
 * engine stops is answered by the partition that has it, or refused with what it left behind. */
#include "base/memory.h"
#include "engine/engine_priv.h"

struct asked {
    struct request request;
    struct command command;
    pd_error error;
    pd_status fate; /* of its one item */
    bool *ret_wanted;
    union {
        struct start_command start;
        struct letter letter;
    };
};

struct request *request_new(void (*answered)(struct request *, pd_status, const pd_error *),
                            void *argument)
{
    struct asked *asked = mem_alloc(sizeof *asked);
    asked->request.command = &asked->command;
    asked->request.answered = answered;
    asked->request.argument = argument;
    arena_init(&asked->request.arena);
    return &asked->request;
}

void request_free(struct request *request)
{
    if (request != NULL) {
        arena_done(&request->arena);
        mem_free(CONTAINER_OF(request, struct asked, request));
    }
}

static void answered(struct command *command)
{
    struct asked *asked = CONTAINER_OF(command, struct asked, command);
    if (command->kind == COMMAND_ACTIVITY_BEAT) {
        *asked->ret_wanted = command->as.beat.is_wanted;
    }
    asked->request.answered(&asked->request, command->status, &asked->error);
}

static struct asked *make(struct request *request, enum command_kind kind)
{
    struct asked *asked = CONTAINER_OF(request, struct asked, request);
    asked->command = (struct command){
        .kind = kind,
        .answered = answered,
        .error = &asked->error,
    };
    return asked;
}

static void push(struct engine *engine, struct asked *asked, unsigned partition)
{
    pd_error err;
    pd_status status = calls_enter(engine, &err);
    if (status == PD_OK) {
        pump_push(&engine->pumps[partition], &asked->command);
        calls_leave(engine);
    } else {
        command_answer(&asked->command, status, &err);
    }
}

static unsigned owner_of(const struct engine *engine, struct text id)
{
    return engine->pump_count == 1 ? 0 : partition_of(id, engine->pump_count);
}

/* ---- what clients ask ------------------------------------------------------------------------ */

void engine_ask_start(struct engine *engine, struct request *request,
                      const struct start_command *command)
{
    struct asked *asked = make(request, COMMAND_START);
    asked->start = *command;
    asked->command.as.start.items = &asked->start;
    asked->command.as.start.count = 1;
    asked->command.as.start.statuses = &asked->fate;
    push(engine, asked, owner_of(engine, command->id));
}

void engine_ask_tell(struct engine *engine, struct request *request, const struct letter *letter)
{
    struct asked *asked = make(request, COMMAND_TELL);
    asked->letter = *letter;
    asked->command.as.tell.items = &asked->letter;
    asked->command.as.tell.count = 1;
    asked->command.as.tell.statuses = &asked->fate;
    push(engine, asked, owner_of(engine, letter->instance_id));
}

/* ---- what runners that answer later say ------------------------------------------------------ */

static void end(struct engine *engine, struct request *request, struct turn_ticket ticket,
                const struct turn_result *result, const struct entity_result *entity)
{
    struct asked *asked = make(request, COMMAND_TURN);
    asked->command.as.turn.ticket = ticket;
    asked->command.as.turn.result = result;
    asked->command.as.turn.entity = entity;
    push(engine, asked, ticket.partition);
}

void engine_end_turn(struct engine *engine, struct request *request, struct turn_ticket ticket,
                     const struct turn_result *result)
{
    end(engine, request, ticket, result, NULL);
}

void engine_end_entity_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct entity_result *result)
{
    end(engine, request, ticket, NULL, result);
}

void engine_return_turn(struct engine *engine, struct request *request, struct turn_ticket ticket)
{
    end(engine, request, ticket, NULL, NULL);
}

void engine_leave_turn(struct engine *engine, struct request *request, struct turn_ticket ticket)
{
    struct asked *asked = make(request, COMMAND_TURN);
    asked->command.as.turn.ticket = ticket;
    asked->command.as.turn.is_left = true;
    push(engine, asked, ticket.partition);
}

void engine_call_turns(struct engine *engine, struct request *request, unsigned partition,
                       const uint64_t *rows, size_t count)
{
    struct asked *asked = make(request, COMMAND_CALL);
    asked->command.as.call.rows = rows;
    asked->command.as.call.count = count;
    push(engine, asked, partition);
}

void engine_call_activities(struct engine *engine, struct request *request, unsigned partition,
                            uint64_t epoch, const uint64_t *rows, const int32_t *ids, size_t count)
{
    struct asked *asked = make(request, COMMAND_CALL);
    asked->command.as.call.rows = rows;
    asked->command.as.call.ids = ids;
    asked->command.as.call.epoch = epoch;
    asked->command.as.call.count = count;
    push(engine, asked, partition);
}

void engine_quarantine_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct failure *failure)
{
    struct asked *asked = make(request, COMMAND_TURN);
    asked->command.as.turn.ticket = ticket;
    asked->command.as.turn.failure = failure;
    push(engine, asked, ticket.partition);
}

void engine_end_activity(struct engine *engine, struct request *request, struct activity *activity,
                         const struct activity_result *result)
{
    struct asked *asked = make(request, COMMAND_ACTIVITY_DONE);
    asked->command.as.done.activity = activity;
    asked->command.as.done.result = *result;
    push(engine, asked, activity->partition);
}

void engine_beat_activity(struct engine *engine, struct request *request,
                          const struct activity *activity, struct text progress, bool *ret_wanted)
{
    struct asked *asked = make(request, COMMAND_ACTIVITY_BEAT);
    asked->ret_wanted = ret_wanted;
    asked->command.as.beat.row = activity->row;
    asked->command.as.beat.id = activity->id;
    asked->command.as.beat.execution_id = text_copy(&request->arena, activity->execution_id);
    asked->command.as.beat.progress = progress;
    asked->command.as.beat.is_wanted = true; /* as far as is known, when it cannot be asked */
    push(engine, asked, activity->partition);
}
