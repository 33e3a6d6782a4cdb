/* SPDX-License-Identifier: MIT
 *
 * What --help prints: every setting of the table, with what holds when nobody says it. That is
 * written as it could be given back. */
#include <inttypes.h>
#include <stdio.h>

#include "server/config_priv.h"

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit times[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit sizes[] = { { "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 } };

/* In the largest unit of which it is a multiple. */
static void write_number(int64_t number, const struct unit *units, size_t count, char ret[32])
{
    for (size_t i = 0; i < count; i++) {
        if (number % units[i].factor == 0 && number != 0) {
            snprintf(ret, 32, "%" PRId64 "%s", number / units[i].factor, units[i].name);
            return;
        }
    }
    snprintf(ret, 32, "%" PRId64, number);
}

/* NULL: nothing holds. */
static const char *value_of(const struct config *config, const struct setting *s, char room[32])
{
    const void *at = (const char *)config + s->offset;
    switch (s->kind) {
    case KIND_SWITCH: return NULL;
    case KIND_FLAG: return *(const bool *)at ? "yes" : "no";
    case KIND_TEXT: return *(const char *const *)at;
    case KIND_LIST: {
        const struct config_list *list = at;
        return list->count != 0 ? list->items[0] : NULL;
    }
    case KIND_CHOICE: return s->choices[*(const int64_t *)at];
    case KIND_TIME:
        write_number(*(const int64_t *)at, times, sizeof times / sizeof times[0], room);
        return room;
    case KIND_SIZE:
        write_number(*(const int64_t *)at, sizes, sizeof sizes / sizeof sizes[0], room);
        return room;
    case KIND_NUMBER: write_number(*(const int64_t *)at, NULL, 0, room); return room;
    }
    return NULL;
}

void config_print_help(void)
{
    struct config config;
    config_defaults(&config);
    printf("perdured, the server of Perdure: durable orchestrations for the Durable Task SDKs\n\n"
           "  perdured [OPTION]...\n\n");
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *s = setting_at(i);
        char left[48];
        char room[32];
        const char *value = value_of(&config, s, room);
        snprintf(left, sizeof left, "--%s%s%s", s->name, s->argument != NULL ? "=" : "",
                 s->argument != NULL ? s->argument : "");
        printf("  %-26s  %s", left, s->help);
        if (value != NULL) {
            printf(" [%s]", value);
        }
        printf("\n");
    }
    printf("\nEvery setting but config is also a line 'name = value' of the file, and PERDURE_NAME "
           "of the\n"
           "environment; in brackets is what holds otherwise. SIGTERM ends, when the work that is "
           "out has\n"
           "come back; SIGHUP reads certificates, tokens, limits and the log level again.\n");
    config_free(&config);
}
