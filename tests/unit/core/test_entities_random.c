/* SPDX-License-Identifier: MIT
 *
 * Entities under random commands, cuts, commits, evictions and losses of memory, from seeds.
 *
 * Each entity keeps a log: what was said to it, word behind word. Clients signal numbered words,
 * orchestrations say words that name them, in critical sections and outside, and end in all ways
 * there are, some while they hold locks or wait for them. In the end faults stop, everything is
 * driven to its end, and:
 *
 *   - a client's word is in the log once when it was durable, and not at all when it was lost;
 *   those
 *     without a time in the order they were said, those with one not before it
 *   - what an orchestration says in a critical section stands together
 *   - one that completed has said everything
 *   - no entity is locked, and nothing is left in an inbox, a mailbox, or of the timers
 *
 * PERDURE_CORE_SEED=n tests one seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "core/entity.h"
#include "rig.h"

enum { ENTITIES = 4, OWNERS = 8, SEEDS = 500, ACTIONS = 700, WORDS = 4096, TAGS = 1024 };

static const char *const entities[ENTITIES] = { "@a@", "@a@1", "@b@1", "@c@x" };

/* What a client said, or took back. */
struct word {
    int entity;
    time_us at;                 /* not before; 0: at once */
    uint64_t epoch, batch;      /* with which it becomes durable */
    uint64_t cancelled_batch;   /* likewise, that it is not to be done; 0: it is */
    bool is_lost, is_cancelled; /* for good */
};

struct trial {
    struct rig rig;
    struct random random;
    const struct turn *open;
    struct word words[WORDS];
    size_t word_count;
    int tag; /* of the last orchestration */
};

/* ---- what is said ---- */

static uint64_t open_batch(const struct trial *trial)
{
    return trial->rig.core->batch_number;
}

static void say_some(struct trial *trial)
{
    char text[16];
    char request_id[16];
    bool is_late = random_chance(&trial->random, 1, 3);
    if (trial->word_count == WORDS) {
        return;
    }
    size_t number = trial->word_count++;
    struct word *word = &trial->words[number];
    *word = (struct word){ .entity = (int)random_below(&trial->random, ENTITIES) };
    word->epoch = trial->rig.epoch;
    word->batch = open_batch(trial);
    word->at = is_late ? trial->rig.now + (time_us)random_below(&trial->random, 200) * TIME_MS : 0;
    snprintf(text, sizeof text, "c%zu;", number);
    snprintf(request_id, sizeof request_id, "c%zu", number);
    rig_say(&trial->rig, &(struct said){ .to = entities[word->entity],
                                         .op = "say",
                                         .payload = text,
                                         .request_id = request_id,
                                         .at = word->at });
}

static void cancel_some(struct trial *trial)
{
    char request_id[16];
    if (trial->word_count == 0) {
        return;
    }
    size_t back = random_below(&trial->random, 6);
    size_t number = trial->word_count - 1 - (back < trial->word_count ? back : 0);
    struct word *word = &trial->words[number];
    snprintf(request_id, sizeof request_id, "c%zu", number);
    bool was_there = rig_cancel_signal(&trial->rig, entities[word->entity], request_id);
    assert_false(was_there && word->is_cancelled);
    if (was_there) {
        word->cancelled_batch = open_batch(trial);
        word->is_cancelled = true;
    }
}

/* A set of one to three, in any order; `first` is the one that is locked first. */
static void pick_set(struct trial *trial, char *ret, size_t size, const char **first)
{
    size_t count = 1 + random_below(&trial->random, 3);
    size_t begin = random_below(&trial->random, ENTITIES);
    *ret = 0;
    *first = entities[begin];
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(ret);
        const char *id = entities[(begin + i) % ENTITIES];
        snprintf(ret + used, size - used, "%s%s", i != 0 ? "," : "", id);
        *first = strcmp(id, *first) < 0 ? id : *first;
    }
}

/* Unlocking all of the set; some do it twice, or what they do not hold. */
static void append(char *to, size_t size, const char *text)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s", text);
}

static void unlock_all(char *script, size_t size, const char *set)
{
    char copy[64];
    char *saved;
    snprintf(copy, sizeof copy, "%s", set);
    for (char *id = strtok_r(copy, ",", &saved); id != NULL; id = strtok_r(NULL, ",", &saved)) {
        size_t used = strlen(script);
        snprintf(script + used, size - used, " unlock:s:%s", id);
    }
}

static void start_some(struct trial *trial)
{
    static const char *const ends[] = { " end", " end", " end", " fail:No", " new | end", "" };
    char id[16];
    char set[64];
    char script[SCRIPT_BYTES];
    const char *e;
    if (trial->tag + 1 == TAGS) {
        return;
    }
    int n = ++trial->tag;
    snprintf(id, sizeof id, "o%d", (int)random_below(&trial->random, OWNERS));
    pick_set(trial, set, sizeof set, &e);
    const char *end = ends[random_below(&trial->random, 6)];
    switch (random_below(&trial->random, 6)) {
    case 0: /* a section, given back in order */
        snprintf(script, sizeof script, "lock:s:%s | call:%s:say:[%d; | call:%s:say:%d]; |", set, e,
                 n, e, n);
        unlock_all(script, sizeof script, set);
        append(script, sizeof script, end);
        break;
    case 1: /* ended inside */
        snprintf(script, sizeof script, "lock:s:%s | call:%s:say:<%d; |%s", set, e, n, end);
        break;
    case 2: /* signals to what it holds, and gives back before they are done */
        snprintf(script, sizeof script, "lock:s:%s | signal:%s:say:[%d; signal:%s:say:%d];", set, e,
                 n, e, n);
        unlock_all(script, sizeof script, set);
        append(script, sizeof script, end);
        break;
    case 3: /* a call behind the request: done while it holds the lock */
        snprintf(script, sizeof script, "lock:s:%s signal:%s:say:[%d; | signal:%s:say:%d];", set, e,
                 n, e, n);
        unlock_all(script, sizeof script, set);
        append(script, sizeof script, end);
        break;
    case 4: /* no section */
        snprintf(script, sizeof script, "signal:%s:say:<%d; signal:%s:say:%d>; | end", e, n, e, n);
        break;
    default: /* asks and ends at once */
        snprintf(script, sizeof script, "lock:s:%s%s", set, end);
        break;
    }
    struct start_command command = {
        .id = text_of(id),
        .name = TEXT("script"),
        .input = text_of(script),
        .replaces = random_chance(&trial->random, 1, 6) ? STATES_ALL : STATES_ENDED,
    };
    rig_start_as(&trial->rig, &command);
}

/* ---- what happens ---- */

static void crash(struct trial *trial)
{
    uint64_t epoch = trial->rig.epoch;
    uint64_t durable = trial->rig.model.batch_last;
    for (size_t i = 0; i < trial->word_count; i++) {
        struct word *word = &trial->words[i];
        word->is_lost |= word->epoch == epoch && word->batch > durable;
        if (word->cancelled_batch > durable) {
            word->is_cancelled = false; /* was not to be */
        }
        word->cancelled_batch = 0;
    }
    trial->open = NULL;
    rig_crash(&trial->rig);
}

static void open_some(struct trial *trial)
{
    struct rig *rig = &trial->rig;
    if (trial->open == NULL) {
        if (!core_next_turn(rig->core, rig->now, &trial->open)) {
            trial->open = NULL;
        }
        return;
    }
    rig->most = random_below(&trial->random, 3);
    if (random_chance(&trial->random, 1, 4)) {
        core_postpone_turn(rig->core, trial->open);
    } else {
        rig_end_turn(rig, trial->open);
    }
    rig->most = 0;
    trial->open = NULL;
}

static void order_some(struct trial *trial)
{
    char id[16];
    snprintf(id, sizeof id, "o%d", (int)random_below(&trial->random, OWNERS));
    if (random_chance(&trial->random, 1, 2)) {
        rig_terminate(&trial->rig, id, "\"why\"", false);
    } else {
        rig_purge(&trial->rig, id);
    }
}

static void act(struct trial *trial)
{
    struct rig *rig = &trial->rig;
    struct random *random = &trial->random;
    rig->now += (time_us)random_below(random, 20) * TIME_MS;
    switch (random_below(random, 20)) {
    case 0:
    case 1:
    case 2: start_some(trial); break;
    case 3:
    case 4: say_some(trial); break;
    case 5: cancel_some(trial); break;
    case 6: rig_fire(rig); break;
    case 7:
    case 8: rig_run(rig); break;
    case 9:
    case 10:
    case 11: open_some(trial); break;
    case 12:
    case 13:
        if (rig->flight_count < 4) {
            rig_cut(rig);
        }
        break;
    case 14:
        if (rig->flight_count != 0) {
            rig_commit(rig);
        }
        break;
    case 15: core_evict(rig->core, random_below(random, 6), random_below(random, 4)); break;
    case 16: rig_receive(rig); break;
    case 17:
        if (random_chance(random, 1, 4)) {
            order_some(trial);
        }
        break;
    case 18: rig_set_horizon(rig, rig->horizon > rig->now ? rig->horizon : rig->now); break;
    default:
        if (random_chance(random, 1, 6)) {
            crash(trial);
        }
        break;
    }
}

static void drive_to_the_end(struct trial *trial)
{
    struct rig *rig = &trial->rig;
    rig_flush(rig);
    crash(trial);
    for (int round = 0; round < 100; round++) {
        rig->now += 10 * TIME_SECOND;
        rig_receive(rig);
        rig_set_horizon(rig, rig->now);
        rig_fire(rig);
        rig_run(rig);
        rig_flush(rig);
        for (int i = 0; round == 50 && i < OWNERS; i++) { /* those that wait for ever */
            char id[16];
            snprintf(id, sizeof id, "o%d", i);
            rig_terminate(rig, id, NULL, false);
        }
    }
}

/* ---- what must have come of it ---- */

/* How often the word is there, and where it ends. */
static int count_of(const char *log, const char *word, const char **ret_end)
{
    int count = 0;
    size_t size = strlen(word);
    for (const char *at = log; (at = strstr(at, word)) != NULL; at += size) {
        if (at == log || at[-1] == ';') {
            *ret_end = at + size;
            count++;
        }
    }
    return count;
}

static void check_words(const struct trial *trial, int entity, const char *log)
{
    const char *before = log;
    for (size_t i = 0; i < trial->word_count; i++) {
        const struct word *word = &trial->words[i];
        char text[32];
        const char *end = NULL;
        if (word->entity != entity) {
            continue;
        }
        snprintf(text, sizeof text, "c%zu;", i);
        assert_int_equal(count_of(log, text, &end), !word->is_lost && !word->is_cancelled);
        if (end != NULL && word->at == 0) {
            assert_true(end > before);
            before = end;
        }
    }
}

/* What is between the first word and the second is nobody else's. */
static void check_sections(const struct trial *trial, const char *log)
{
    for (int n = 1; n <= trial->tag; n++) {
        char first[16];
        char second[16];
        const char *begin = NULL;
        const char *end = NULL;
        snprintf(first, sizeof first, "[%d;", n);
        snprintf(second, sizeof second, "%d];", n);
        int begins = count_of(log, first, &begin);
        int ends = count_of(log, second, &end);
        assert_true(begins <= 1 && ends <= begins);
        assert_true(ends == 0 || begin + strlen(second) == end);
        snprintf(first, sizeof first, "<%d;", n);
        snprintf(second, sizeof second, "%d>;", n);
        begins = count_of(log, first, &begin);
        ends = count_of(log, second, &end);
        assert_true(begins <= 1 && ends <= begins);
        assert_true(ends == 0 || begin < end);
    }
}

/* The logs have, together, all that was to be said by those that completed. */
static void check_completed(struct trial *trial, const struct model_row *row,
                            const char *const *logs)
{
    const char *mark = memchr(row->record.input.at, '[', row->record.input.size);
    if (row->record.state != RUN_COMPLETED || mark == NULL) {
        return;
    }
    char first[16];
    char second[16];
    const char *end;
    int count = 0;
    int n = (int)strtol(mark + 1, NULL, 10);
    snprintf(first, sizeof first, "[%d;", n);
    snprintf(second, sizeof second, "%d];", n);
    for (int i = 0; i < ENTITIES; i++) {
        count += count_of(logs[i], first, &end) + count_of(logs[i], second, &end);
    }
    assert_int_equal(count, 2);
    (void)trial;
}

static void check(struct trial *trial)
{
    struct rig *rig = &trial->rig;
    const char *logs[ENTITIES];
    for (int i = 0; i < ENTITIES; i++) {
        logs[i] = rig_state(rig, entities[i]);
        assert_string_equal(rig_owner(rig, entities[i]), "-");
        check_words(trial, i, logs[i]);
        check_sections(trial, logs[i]);
    }
    for (size_t i = 0; i < rig->model.row_count; i++) {
        const struct model_row *row = rig->model.rows[i];
        if (row->is_deleted) {
            continue;
        }
        assert_int_equal(row->inbox_count, 0);
        assert_false(row->record.is_busy);
        if (row->entity == NULL) {
            assert_true(run_state_is_final(row->record.state));
            check_completed(trial, row, logs);
        } else {
            assert_true(text_is_present(row->entity->state));
        }
    }
    assert_int_equal(rig->model.timer_count, 0);
    assert_int_equal(rig->model.mail_count, 0);
    assert_false(core_has_changes(rig->core));
}

static void run_seed(uint64_t seed)
{
    static struct trial trial;
    memset(&trial, 0, sizeof trial);
    random_seed(&trial.random, seed);
    rig_init(&trial.rig);
    trial.rig.horizon = 0;
    trial.rig.is_forgetful = seed % 3 == 0;
    trial.rig.posts = seed % 2 == 0;
    crash(&trial);
    for (int i = 0; i < ACTIONS; i++) {
        act(&trial);
    }
    if (trial.open != NULL) {
        rig_end_turn(&trial.rig, trial.open);
    }
    drive_to_the_end(&trial);
    check(&trial);
    rig_done(&trial.rig);
}

static void operations_and_locks_hold_under_any_order_of_commands_and_losses(void **state)
{
    (void)state;
    const char *one = getenv("PERDURE_CORE_SEED");
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %d\r", (int)seed); /* the last one printed is the one that failed */
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_and_locks_hold_under_any_order_of_commands_and_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
