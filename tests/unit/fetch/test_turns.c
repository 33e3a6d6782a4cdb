/* SPDX-License-Identifier: MIT
 *
 * Servers that never answer, and those who ask others meanwhile (turn.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "asking.h"

enum { MOST = 12, ASKED = 20, HANGING = 3 };

static struct scripted hanging[HANGING];

static void begin_asking(struct fetcher *fetcher, struct asked *asked, char *input, size_t room,
                         uint16_t port, const char *rest)
{
    (void)snprintf(input, room, "{\"uri\":\"http://127.0.0.1:%u%s}", port, rest);
    asked_init(asked, input, FETCH_OURS);
    module->start(fetcher, &asked->request);
}

static void wait_for(atomic_int *count, int wanted)
{
    for (int i = 0; i < 1000 && atomic_load(count) < wanted; i++) {
        (void)usleep(10000);
    }
    (void)usleep(100000); /* for those that should not come */
    assert_int_equal(atomic_load(count), wanted);
}

static void assert_served(struct fetcher *fetcher)
{
    struct asked asked;
    time_us began = fetch_now();
    asked_init(&asked, with_server("{\"uri\":\"@/ok\"}"), FETCH_OURS);
    module->start(fetcher, &asked.request);
    asked_wait(&asked);
    assert_has(asked.response, "hello");
    assert_true(fetch_now() - began < 5 * TIME_SECOND);
    asked_done(&asked);
}

static void however_many_servers_hang_there_is_room_for_another(void **state)
{
    static const int has[HANGING] = { 6, 3, 2 }; /* fewer than are free, each time: Y1 */
    static struct asked asked[HANGING][ASKED];
    static char inputs[HANGING][ASKED][64];
    (void)state;
    struct fetcher *fetcher =
        open_by(&(struct fetch_options){ .allow = "127.0.0.1", .connections = MOST });
    for (int i = 0; i < HANGING; i++) {
        scripted_begin(&hanging[i]);
        for (int j = 0; j < ASKED; j++) {
            begin_asking(fetcher, &asked[i][j], inputs[i][j], sizeof inputs[i][j], hanging[i].port,
                         "/slow\"");
        }
        wait_for(&hanging[i].requests, has[i]);
        assert_served(fetcher);
    }
    module->close(fetcher);
    for (int i = 0; i < HANGING; i++) {
        assert_int_equal(atomic_load(&hanging[i].requests), has[i]);
        for (int j = 0; j < ASKED; j++) {
            assert_int_equal(asked[i][j].times, 1);
            assert_string_equal(asked[i][j].type, "Cancelled");
            asked_done(&asked[i][j]);
        }
        scripted_end(&hanging[i]);
    }
}

static void who_waits_goes_in_his_turn_when_others_end(void **state)
{
    struct asked slow[2], quick[2];
    char inputs[4][64];
    (void)state;
    scripted_begin(&hanging[0]);
    struct fetcher *fetcher =
        open_by(&(struct fetch_options){ .allow = "127.0.0.1", .connections = 2 });
    begin_asking(fetcher, &slow[0], inputs[0], 64, hanging[0].port, "/slow\"");
    wait_for(&hanging[0].requests, 1);
    begin_asking(fetcher, &slow[1], inputs[1], 64, hanging[0].port, "/slow\"");
    begin_asking(fetcher, &quick[0], inputs[2], 64, hanging[0].port, "/seen/a\"");
    begin_asking(fetcher, &quick[1], inputs[3], 64, hanging[0].port, "/seen/b\"");
    assert_served(fetcher); /* of another server: it passes those */
    wait_for(&hanging[0].requests, 1);
    module->cancel(fetcher, &slow[1].request); /* one that waits */
    asked_wait(&slow[1]);
    wait_for(&hanging[0].requests, 1);
    module->cancel(fetcher, &slow[0].request); /* one that is under way */
    asked_wait(&quick[1]);
    asked_wait(&quick[0]);
    const char *a = strstr(hanging[0].seen, "/seen/a"), *b = strstr(hanging[0].seen, "/seen/b");
    assert_true(a != NULL && b != NULL && a < b);
    module->close(fetcher);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(slow[i].type, "Cancelled");
        asked_done(&slow[i]);
        asked_done(&quick[i]);
    }
    scripted_end(&hanging[0]);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* The endpoint hangs for half a minute, whoever waits for it. */
static void begin_hanging_endpoint(void)
{
    char endpoint[64];
    scripted_begin(&hanging[0]);
    (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/slow", hanging[0].port);
    (void)setenv("IDENTITY_ENDPOINT", endpoint, 1);
    (void)setenv("IDENTITY_HEADER", "h", 1);
}

static void end_hanging_endpoint(void)
{
    (void)unsetenv("IDENTITY_ENDPOINT");
    (void)unsetenv("IDENTITY_HEADER");
    scripted_end(&hanging[0]);
}

static void a_request_that_never_had_its_turn_was_not_sent_and_says_so(void **state)
{
    struct asked first, late;
    char inputs[2][192];
    (void)state;
    begin_hanging_endpoint();
    struct fetcher *fetcher = open_by(
        &(struct fetch_options){ .allow = "127.0.0.1", .timeout_max_ms = 1000, .connections = 1 });
    int before = atomic_load(&server.requests);
    begin_asking(fetcher, &first, inputs[0], sizeof inputs[0], server.port,
                 "/ok\",\"tokenSource\":{\"resource\":\"https://a.test\"}");
    wait_for(&hanging[0].requests, 1);
    begin_asking(fetcher, &late, inputs[1], sizeof inputs[1], server.port, "/ok\"");
    asked_wait(&late); /* its time passes since it was asked */
    assert_string_equal(late.type, "HttpTimeout");
    assert_string_equal(late.message, "within 1 s it was not sent: too many requests to this "
                                      "server came before it");
    asked_wait(&first);
    assert_int_equal(atomic_load(&server.requests), before);
    module->close(fetcher);
    asked_done(&first);
    asked_done(&late);
    end_hanging_endpoint();
}

static void an_endpoint_of_tokens_that_hangs_leaves_room_for_others(void **state)
{
    static struct asked asked[ASKED];
    static char inputs[ASKED][192];
    char source[128];
    (void)state;
    begin_hanging_endpoint();
    struct fetcher *fetcher =
        open_by(&(struct fetch_options){ .allow = "127.0.0.1", .connections = MOST });
    for (int i = 0; i < ASKED; i++) {
        (void)snprintf(source, sizeof source,
                       "/ok\",\"tokenSource\":{\"resource\":\"https://made-up-%d.test\"}", i);
        begin_asking(fetcher, &asked[i], inputs[i], sizeof inputs[i], server.port, source);
    }
    wait_for(&hanging[0].requests, MOST / 2);
    assert_served(fetcher);
    module->close(fetcher);
    for (int i = 0; i < ASKED; i++) {
        assert_string_equal(asked[i].type, "Cancelled");
        asked_done(&asked[i]);
    }
    end_hanging_endpoint();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_many_servers_hang_there_is_room_for_another),
        cmocka_unit_test(who_waits_goes_in_his_turn_when_others_end),
        cmocka_unit_test(a_request_that_never_had_its_turn_was_not_sent_and_says_so),
        cmocka_unit_test(an_endpoint_of_tokens_that_hangs_leaves_room_for_others),
    };
    return cmocka_run_group_tests(tests, begin_server, end_server);
}
