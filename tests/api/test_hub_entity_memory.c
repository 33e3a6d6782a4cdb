/* SPDX-License-Identifier: MIT
 *
 * What many and large entities cost those who do not use them: nothing is loaded, and nothing is
 * read, that nobody asks for. Measured is what the system counts: bytes of this process in memory,
 * bytes that it has read.
 */
#include "entity_kit.h"
#include "process_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

enum { MANY = 10000, STATE = 8 * 1024 }; /* 80 MB of states */
enum { FEW = 20, LARGE = 1024 * 1024 };

/* Of files in /proc/self: the number behind the word. */
static int64_t number_in(const char *path, const char *word)
{
    char line[256];
    int64_t number = -1;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (number < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, word, strlen(word)) == 0) {
            number = strtoll(line + strlen(word), NULL, 10);
        }
    }
    fclose(file);
    assert_true(number >= 0);
    return number;
}

static int64_t bytes_in_memory(void)
{
    return number_in("/proc/self/status", "RssAnon:") * 1024;
}

static int64_t bytes_read(void)
{
    return number_in("/proc/self/io", "rchar:");
}

/* Sets its state to a text of so many bytes. */
static pd_result fill(pd_entity *e, pd_value size)
{
    char *text = pd_alloc(e, (size_t)pd_int(size) + 1);
    memset(text, 'x', (size_t)pd_int(size));
    pd_set_state(e, text);
    return pd_ok(e, PD_NULL);
}

static const pd_function program[] = { PD_FUNCTION("Filled", fill) };

/* In the store, by an engine of another process: none of it was ever in this one's memory. */
static void make(struct kit *kit, int count, int size)
{
    enum { AT_ONCE = 500 };
    char keys[AT_ONCE][16];
    pd_signal signals[AT_ONCE];
    pd_error err;
    struct engine engine = engine_begin(kit, PD_PROGRAM(program));
    for (int i = 0; i < count;) {
        int n = 0;
        for (; n < AT_ONCE && i < count; n++, i++) {
            snprintf(keys[n], sizeof(keys[n]), "%06d", i);
            signals[n] = (pd_signal){ .entity = PD_ENTITY("Filled", keys[n]),
                                      .op = "fill",
                                      .input = PD_VAL(size) };
        }
        kit_expect(pd_hub_signal_many(kit->hub, signals, (size_t)n, &err), PD_OK, &err, "many");
    }
    snprintf(keys[0], sizeof(keys[0]), "%06d", count - 1);
    for (bool is_done = false; !is_done; kit_sleep_ms(5)) { /* the last one of one sender */
        pd_entity_view *view = ent_fetch(kit, PD_ENTITY("Filled", keys[0]));
        is_done = pd_entity_view_has_state(view);
        pd_entity_view_free(view);
    }
    engine_end(&engine);
}

static void entities_that_nobody_uses_are_not_in_memory(void **state)
{
    struct kit *kit = *state;
#if defined(__SANITIZE_THREAD__) /* which takes several times what the program does */
    skip();
#endif
    make(kit, MANY, STATE);
    int64_t before = bytes_in_memory();
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("used"), "add", PD_VAL(1), "1");
    kit_sleep_ms(300);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .name = "Filled", .page_size = 1000 }),
                     1000);
    int64_t grown = bytes_in_memory() - before;
    if (grown > MANY * STATE / 5) {
        fail_msg("%lld bytes more are in memory", (long long)grown);
    }
}

static void states_are_read_for_those_who_ask(void **state)
{
    struct kit *kit = *state;
    served_skip("another process reads the file");
    make(kit, FEW, LARGE);
    int64_t before = bytes_read();
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), FEW);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .key_prefix = "0000" }), FEW);
    int64_t without = bytes_read() - before;
    assert_true(without < LARGE); /* not even one of them */
    before = bytes_read();
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_state = true }), FEW);
    assert_true(bytes_read() - before > FEW * LARGE / 2); /* or this measures nothing */
    before = bytes_read();
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("other"), "add", PD_VAL(1), "1");
    assert_true(bytes_read() - before < LARGE);
}

int main(void)
{
#define FILE_TEST(name)                             \
    {                                               \
#name, name, kit_open_file, kit_close, NULL \
    }
    const struct CMUnitTest tests[] = {
        FILE_TEST(entities_that_nobody_uses_are_not_in_memory),
        FILE_TEST(states_are_read_for_those_who_ask),
    };
    return cmocka_run_group_tests_name("hub/entity memory", tests, NULL, NULL);
}
