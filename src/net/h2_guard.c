/* SPDX-License-Identifier: MIT
 *
 * What a peer may not do: the numbers that h2_limits has no name for, and the clocks.
 *
 * A connection that goes too far gets GOAWAY ENHANCE_YOUR_CALM and is closed; what it had is
 * dropped. Frames that bring nothing (PING, SETTINGS, empty DATA) are a nuisance. Resets have a
 * limit of their own, which those count against that the peer makes us do. A PING is no nuisance
 * when we have sent something since the last one: that is how gRPC's own clients measure a
 * connection. */
#include "base/time.h"
#include "net/h2_priv.h"

enum {
    NUISANCES_A_SECOND = 100,
    BURST_SECONDS = 10,
};

bool bucket_take(struct h2_bucket *bucket, time_us now, unsigned a_second)
{
    int64_t most = (int64_t)a_second * BURST_SECONDS * TIME_SECOND;
    int64_t passed = now - bucket->at;
    bucket->at = now;
    if (passed >= BURST_SECONDS * TIME_SECOND || bucket->left + passed * a_second >= most) {
        bucket->left = most;
    } else {
        bucket->left += passed * a_second;
    }
    if (bucket->left < TIME_SECOND) {
        return false;
    }
    bucket->left -= TIME_SECOND;
    return true;
}

static bool is_nuisance(const nghttp2_frame *frame, bool has_spoken)
{
    switch (frame->hd.type) {
    case NGHTTP2_PING: return (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && !has_spoken;
    case NGHTTP2_SETTINGS: return (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default: return false;
    }
}

bool guard_reset(struct h2_session *session)
{
    if (!session->is_server || bucket_take(&session->resets, loop_steady(session->loop),
                                           session->limits->resets_a_second)) {
        return true;
    }
    session_goaway(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

bool guard_frame(struct h2_session *session, const nghttp2_frame *frame)
{
    time_us now = loop_steady(session->loop);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        session->is_pinged = false;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        return guard_reset(session);
    }
    bool is_fine = true;
    if (session->is_server && is_nuisance(frame, session->has_spoken)) {
        is_fine = bucket_take(&session->nuisances, now, NUISANCES_A_SECOND);
    }
    if (frame->hd.type == NGHTTP2_PING) {
        session->has_spoken = false;
    }
    if (!is_fine) {
        session_goaway(session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return is_fine;
}

static void ask_whether_alive(struct h2_session *session, time_us now)
{
    const struct h2_limits *limits = session->limits;
    int64_t silence = time_us_of_ms(limits->ping_ms + limits->ping_timeout_ms);
    if (session->out.size != 0 && now - session->taken_at > silence) {
        session_kill(session, "the peer does not read"); /* whatever it says */
    } else if (session->is_pinged) {
        if (session->heard_at >= session->pinged_at) {
            session->is_pinged = false; /* anything that came is an answer */
        } else if (now - session->pinged_at > time_us_of_ms(limits->ping_timeout_ms)) {
            session_kill(session, "the peer does not answer");
        }
    } else if (now - session->heard_at > time_us_of_ms(limits->ping_ms)) {
        (void)nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL);
        session->is_pinged = true;
        session->pinged_at = now;
        session_want_flush(session);
    }
}

void guard_look(struct h2_session *session, time_us now)
{
    const struct h2_limits *limits = session->limits;
    if (session->is_dead) {
        return;
    }
    if (!session->is_connected || !session->has_settings) {
        if (now - session->began_at > time_us_of_ms(limits->handshake_ms)) {
            session_kill(session, "it took too long to say hello");
        }
        return;
    }
    ask_whether_alive(session, now);
    debts_look(session, now);
    if (session->is_dead) {
        return;
    }
    bool is_old = session->age_max_us != 0 && now - session->began_at > session->age_max_us;
    bool is_idle = session->stream_count == 0 && session->is_server &&
                   now - session->idle_since > time_us_of_ms(limits->idle_ms);
    if (session->goaway_sent == 1 || (session->goaway_sent == 0 && (is_old || is_idle))) {
        session_goaway(session, NGHTTP2_NO_ERROR);
    }
}

/* Often enough for the shortest of the times to be kept within a quarter. */
int64_t guard_look_every(const struct h2_limits *limits)
{
    int64_t ms[] = { limits->idle_ms,      limits->ping_ms,    limits->ping_timeout_ms,
                     limits->handshake_ms, limits->age_max_ms, limits->term_ms };
    int64_t least = 4000;
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        least = ms[i] > 0 && ms[i] < least ? ms[i] : least;
    }
    return time_us_of_ms(least) / 4 + 1000;
}
