/* SPDX-License-Identifier: MIT
 *
 * What config.c, config_file.c and config_check.c share. */
#ifndef SERVER_CONFIG_PRIV_H
#define SERVER_CONFIG_PRIV_H

#include "server/config.h"

enum setting_kind {
    KIND_SWITCH, /* options only, without a value */
    KIND_FLAG,
    KIND_TEXT,
    KIND_LIST,
    KIND_NUMBER,
    KIND_TIME, /* milliseconds */
    KIND_SIZE,
    KIND_CHOICE,
};

struct setting {
    const char *name, *argument;
    enum setting_kind kind;
    size_t offset; /* in struct config */
    int64_t least, most;
    const char *const *choices;
    const char *help;
    bool is_live; /* SIGHUP changes it; a file's name is not, though the file is read again */
};

/* Where a value came from. */
struct source {
    const char *what; /* "option" */
    bool *adds;       /* by setting: this source has begun its list */
};

size_t setting_count(void);
const struct setting *setting_at(size_t index);
/* The name that is meant by one misspelt, in at most so many letters; NULL: none is near. */
enum { EDITS_MAX = 3 };
const char *setting_near(const char *name, unsigned most);
pd_status setting_set(struct config *config, const struct setting *setting, const char *value,
                      const struct source *source, pd_error *err);

/* A number of its kind, as it could be given back: 64k, 10m. */
void setting_write_number(const struct setting *setting, int64_t number, char ret[32]);

pd_status config_read_file(struct config *config, const char *file, pd_error *err);

/* What is right by itself, but not together. */
pd_status config_check(const struct config *config, pd_error *err);

#endif
