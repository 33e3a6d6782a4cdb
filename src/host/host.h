/* SPDX-License-Identifier: MIT
 *
 * Host: what its two processes share. The supervisor (supervisor.c) has no user code and no
 * threads: it holds the listening socket, a perdured of its own where the hub is a file, and one
 * child that serves. The child (child.c) loads the app and runs it.
 *
 *   V1  User code can end a child in any way it likes: the supervisor learns of it from the kernel.
 *       What a child says (over its report pipe) is printed, and taken for nothing but how far it
 *       is, that it lives or hangs, and text.
 *   V2  The listening socket is the supervisor's, and a child's by inheritance: while none serves,
 *       connections wait in it. A child that is told to drain takes no new ones.
 *   V3  A child serves before the one before it is told to drain.
 *   V4  Children and perdured get a signal when the supervisor is gone, whatever ended it. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <perdure/app.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *app;        /* the shared object */
    const char *hub;        /* URL */
    const char *http;       /* address; "": no HTTP */
    const char *key;        /* file of keys; NULL: none */
    const char *public_url; /* where clients find the host; NULL: as they said */
    const char *management; /* where links lead; NULL: to the host */
    const char *perdured;   /* program; NULL: beside this one, or in PATH */
    int64_t body_max, drain_ms;
    int64_t hang_ms; /* 0: nobody looks whether a child hangs */
    int64_t route_threads, activity_threads;
    bool stays; /* the file is not watched */
};

enum { PATIENCE_MS = 5000 }; /* beyond twice --drain, before a child that drains is ended */

/* Exit code, or -1: go on. Prints what is wrong. */
int options_read(struct options *ret, int argc, char **argv);

int supervisor_run(const struct options *options, char **argv);

/* Can only this machine reach what listens there? */
bool listens_locally(int fd);

/* ---- between the two ------------------------------------------------------------------------ */

/* The environment of a child has, beside the supervisor's: */
#define CHILD_VARIABLE "PERDURE_HOST_CHILD" /* "REPORT_FD LISTEN_FD FILE": it is one */
#define URL_VARIABLE "PERDURE_HOST_HUB"     /* the hub, with its token */

enum { CHILD_UNUSABLE = 3 }; /* exit code: the app cannot be loaded or run; the report says why */

/* Lines of the report pipe begin with one of these. */
enum report {
    REPORT_LOADED = 'l', /* and looks for its hub, which may take its time */
    REPORT_READY = 'r',
    REPORT_REFUSED = 'x',
    REPORT_TEXT = 't',
    REPORT_BEAT = 'b',
    REPORT_HANGS = 'h', /* what of it */
    REPORT_TOLD = 'd',  /* where its threads are */
};

int child_run(const struct options *options, char *place);

#endif
