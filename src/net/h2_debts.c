/* SPDX-License-Identifier: MIT
 *
 * What loans (loans.h) mean for a session: what is counted, who is pressed, whose term is over, and
 * how the costliest goes. A client's session counts nothing: it has chosen its server. */
#include <stdio.h>

#include "net/h2_priv.h"

enum { TERM_PART = 64 };

static void complain(struct h2_session *session, const char *what)
{
    if (session->handler->complained != NULL) {
        session->handler->complained(session->argument, session, what);
    }
}

/* It hears GOAWAY, if it listens, and is closed behind that (on_late). */
static void evict(struct h2_session *session)
{
    loan_forgive(session->loans, &session->loan);
    session->is_evicted = true;
    LIST_EACH(node, &session->streams)
    {
        stream_drop_backlog(CONTAINER_OF(node, struct h2_stream, among));
    }
    session_goaway(session, NGHTTP2_ENHANCE_YOUR_CALM);
    complain(session, "closed: it leaves the most unread or unended, and others need the memory");
}

static void changed(struct h2_session *session)
{
    if (session->loans == NULL) {
        return;
    }
    time_us now = loop_steady(session->loop);
    bool is_fine = loan_changed(session->loans, &session->loan, now);
    while (!is_fine) {
        evict(CONTAINER_OF(loans_costliest(session->loans, now), struct h2_session, loan));
        is_fine = session->loans->lent <= session->loans->most;
    }
}

void debt_owe(struct h2_session *session, size_t bytes)
{
    session->loan.due += bytes;
    changed(session);
}

void debt_pay(struct h2_session *session, size_t bytes)
{
    assert_that(session->loan.due >= bytes);
    session->loan.due -= bytes;
    changed(session);
}

void debt_moved(struct h2_stream *stream, size_t bytes)
{
    struct h2_session *session = stream->session;
    stream->moved += bytes;
    loan_moved(&session->loan, bytes, loop_steady(session->loop));
}

void debt_frames(struct h2_session *session)
{
    size_t bytes = nghttp2_session_get_outbound_queue_size(session->ng) * LOAN_FRAME;
    if (bytes != session->frame_debt) {
        session->loan.due += bytes - session->frame_debt;
        session->frame_debt = bytes;
        changed(session);
    }
}

void debt_call(struct h2_stream *stream, size_t bytes)
{
    stream->call_debt = bytes;
    stream->session->loan.calls += bytes;
    changed(stream->session);
}

void debt_call_ended(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    session->loan.calls -= stream->call_debt + stream->weight;
    session->loan.due -= stream->held;
    stream->call_debt = stream->held = stream->weight = 0;
    changed(session);
}

void h2_hold(struct h2_stream *stream, size_t bytes)
{
    if (bytes != stream->held) {
        stream->session->loan.due += bytes - stream->held;
        stream->held = bytes;
        changed(stream->session);
    }
}

void h2_weigh(struct h2_stream *stream, size_t bytes)
{
    if (bytes != stream->weight) {
        stream->session->loan.calls += bytes - stream->weight;
        stream->weight = bytes;
        changed(stream->session);
    }
}

/* ---- back-pressure ---- */

static bool is_pressed(const struct h2_session *session)
{
    return session->loans != NULL && session->hasty > LOAN_PRESSURE;
}

void debts_relieve(struct h2_session *session)
{
    struct list_node *node;
    while (!session->is_dead && !is_pressed(session) &&
           (node = list_pop_front(&session->waiting)) != NULL) {
        struct h2_stream *stream = CONTAINER_OF(node, struct h2_stream, waiting);
        size_t withheld = stream->withheld;
        stream->withheld = 0;
        if (withheld != 0) {
            h2_consume(stream, withheld);
        }
        if (stream->is_ended && !stream->is_reset && !stream->is_told) {
            stream->is_told = true;
            session->handler->ended(session->argument, stream);
        }
    }
}

bool debt_wait(struct h2_stream *stream)
{
    if (!is_pressed(stream->session)) {
        return false;
    }
    if (!list_is_linked(&stream->waiting)) {
        list_push_back(&stream->session->waiting, &stream->waiting);
    }
    return true;
}

/* ---- terms ---- */

static void look_at(struct h2_stream *stream, time_us now, bool is_first)
{
    struct h2_session *session = stream->session;
    size_t due = stream->is_paced ? 0 : stream->out.size - stream->out_at;
    due += stream->is_ended || list_is_linked(&stream->waiting) ? 0 : stream->held;
    if (is_first || due == 0 || stream->since == 0 || stream->moved >= due / TERM_PART + 1) {
        stream->since = due == 0 ? 0 : now;
        stream->moved = 0;
        return;
    }
    if (now - stream->since > time_us_of_ms(session->limits->term_ms)) {
        char what[128];
        (void)snprintf(what, sizeof what, "a call was reset: %zu bytes lay unread or unended", due);
        h2_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
        complain(session, what);
        (void)guard_reset(session);
    }
}

void debts_look(struct h2_session *session, time_us now)
{
    bool is_first = session->looked_at == 0;
    if (session->loan.lent == 0 || session->loan.due == 0) {
        session->looked_at = 0;
        return;
    }
    session->looked_at = now;
    LIST_EACH(node, &session->streams)
    {
        struct h2_stream *stream = CONTAINER_OF(node, struct h2_stream, among);
        if (!stream->is_reset) {
            look_at(stream, now, is_first); /* frees none: nghttp2 tells when it is closed */
        }
    }
}
