/* SPDX-License-Identifier: MIT
 *
 * What the files of the supervisor share. One thread, one poll; nothing here waits for a child. */
#ifndef HOST_SUPERVISOR_H
#define HOST_SUPERVISOR_H

#include <sys/types.h>

#include "host/host.h"

enum {
    CHILDREN = 8, /* one that serves, one that starts, and those that drain */
    LINE_MAX_BYTES = 1024,
    DELAY_FIRST_MS = 100, /* before what ended is started anew; doubled each time ... */
    DELAY_MAX_MS = 10000,
    LIVED_MS = 10000, /* ... until it has lived so long */
};

/* Lines of a pipe, as they come. */
struct lines {
    int fd; /* -1: none */
    size_t size;
    char text[LINE_MAX_BYTES];
};

enum role { ROLE_NONE, ROLE_STARTING, ROLE_SERVING, ROLE_DRAINING };

struct child {
    enum role role;
    pid_t pid;
    int copy;                     /* number of the file it has loaded */
    int64_t since_ms, kill_at_ms; /* 0: it is not to be killed; -1: it was */
    bool is_refused;              /* it has said why it cannot be used */
    bool is_away;                 /* it looks for its hub: its silence does not count */
    bool is_doomed;               /* it tells where it hangs, and is killed then */
    int64_t silent_ms;
    int64_t excused_until_ms; /* a debugger holds it, or did a moment ago */
    struct lines report;
};

struct engine {
    bool is_wanted, is_ready, was_ready;
    pid_t pid; /* 0: none */
    struct lines output;
    char address[128];
    char token[33];
    int64_t since_ms, start_at_ms, delay_ms;
};

/* By what a file is known to be another, or to have changed. */
struct stamp {
    uint64_t device, inode;
    int64_t size, changed_s, changed_ns, written_s, written_ns;
};

struct watch {
    struct stamp seen;
    int64_t settle_at_ms; /* 0: nothing has changed */
    const char *name;     /* of the file in its folder */
};

struct supervisor {
    const struct options *options;
    char **argv;
    char folder[256]; /* ours, for copies and the token; goes with us */
    int listen, signals;
    char http[128]; /* the address, with the real port */
    struct child children[CHILDREN];
    struct engine engine;
    struct watch watch;
    int last_copy, good_copy; /* 0: none */
    bool has_served, is_ending;
    int code;
    int64_t start_at_ms, delay_ms, kill_at_ms;
    int64_t looked_at_ms; /* whether children are silent */
};

int64_t now_ms(void);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Reads what is there and calls `line` for each; false: the other end has gone, or never spoke. */
bool lines_read(struct lines *lines, void (*line)(void *argument, const char *text),
                void *argument);
void lines_close(struct lines *lines);

/* Starts a program in a process group of its own, which gets `death` when we are gone. keep: what
 * stays open, -1 ends. output: NULL, or where to read its standard output. -1: errno. */
struct launch {
    const char *file;
    char *const *argv, *const *environment;
    const int *keep;
    int *output;
    int death;
};
pid_t launch(const struct launch *launch);
/* For how long what ended is left alone, having lived so long. *delay_ms: the next time, if it dies
 * young again. */
int64_t launch_delay(int64_t *delay_ms, int64_t lived_ms);

/* engine.c */
void engine_init(struct supervisor *s);
void engine_tick(struct supervisor *s); /* starts it when that is due */
void engine_read(struct supervisor *s);
void engine_ended(struct supervisor *s, int status);
const char *engine_url(const struct supervisor *s, char *room, size_t size);

/* vigil.c */
void vigil_tick(struct supervisor *s);
void vigil_heard(struct child *child);
/* It says that it hangs. */
void vigil_hangs(const struct supervisor *s, struct child *child, const char *what);
void vigil_told(struct child *child);

/* watch.c */
void watch_init(struct supervisor *s);
void watch_look(struct supervisor *s);
/* Copies the app into our folder, under the next number; 0 after a message. */
int watch_copy(struct supervisor *s);
void watch_drop_copy(const struct supervisor *s, int copy);
const char *watch_copy_path(const struct supervisor *s, int copy, char *room, size_t size);

#endif
