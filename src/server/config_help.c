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
static void write_in(int64_t number, const struct unit *units, size_t count, char ret[32])
{
    for (size_t i = 0; i < count; i++) {
        if (number % units[i].factor == 0 && number != 0) {
            snprintf(ret, 32, "%" PRId64 "%s", number / units[i].factor, units[i].name);
            return;
        }
    }
    snprintf(ret, 32, "%" PRId64, number);
}

void setting_write_number(const struct setting *s, int64_t number, char ret[32])
{
    const struct unit *units = s->kind == KIND_TIME ? times : sizes;
    size_t count = s->kind == KIND_TIME   ? sizeof times / sizeof times[0]
                   : s->kind == KIND_SIZE ? sizeof sizes / sizeof sizes[0]
                                          : 0;
    write_in(number, units, count, ret);
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
    case KIND_SIZE:
    case KIND_NUMBER: setting_write_number(s, *(const int64_t *)at, room); return room;
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
        if (value != NULL && value[0] != '\0') {
            printf(" [%s]", value);
        }
        printf("\n");
    }
    printf("\nEvery setting but config is also a line 'name = value' of the file, and PERDURE_NAME "
           "of the\n"
           "environment; in brackets is what holds otherwise. SIGTERM ends, when the work that is "
           "out has\n"
           "come back, and a second one at once; SIGHUP reads certificates, tokens, limits and the "
           "log\n"
           "level again; SIGUSR1 logs how things stand.\n");
    config_free(&config);
}
