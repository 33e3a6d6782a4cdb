/* SPDX-License-Identifier: MIT
 *
 * A perdured of our own, where the hub is a file: it has the engine, so that the engine shares no
 * process with the app. It listens on a free port of this machine, and asks for a token that only
 * our children have. One that ends is started again, on the same port: the workers find it
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/supervisor.h"

static bool write_token(struct supervisor *s, const char *path)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(s->engine.token + 2 * i, 3, "%02x", bytes[i]);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && dprintf(fd, "%s read,work,operate *\n", s->engine.token) > 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written;
}

static void token_path(const struct supervisor *s, char room[512])
{
    (void)snprintf(room, 512, "%s/token", s->folder);
}

void engine_init(struct supervisor *s)
{
    const char *hub = s->options->hub;
    char path[512];
    s->engine.output.fd = -1;
    s->engine.is_wanted = strncmp(hub, "sqlite:", 7) == 0 || strncmp(hub, "memory:", 7) == 0;
    s->engine.is_ready = !s->engine.is_wanted;
    s->engine.delay_ms = DELAY_FIRST_MS;
    (void)snprintf(s->engine.address, sizeof s->engine.address, "127.0.0.1:0");
    token_path(s, path);
    if (s->engine.is_wanted && !write_token(s, path)) {
        say("%s cannot be written: %s", path, strerror(errno));
        s->is_ending = true;
        s->code = 1;
    }
}

/* Beside this program, or wherever PATH says. */
static const char *program(const struct supervisor *s, char *room, size_t size)
{
    if (s->options->perdured != NULL) {
        return s->options->perdured;
    }
    ssize_t length = readlink("/proc/self/exe", room, size - 1);
    char *slash = NULL;
    if (length > 0) {
        room[length] = '\0';
        slash = strrchr(room, '/');
    }
    if (slash != NULL && (size_t)(slash - room) + sizeof "/perdured" <= size) {
        memcpy(slash, "/perdured", sizeof "/perdured");
        if (access(room, X_OK) == 0) {
            return room;
        }
    }
    return "perdured";
}

void engine_tick(struct supervisor *s)
{
    struct engine *engine = &s->engine;
    if (!engine->is_wanted || engine->pid != 0 || s->is_ending || now_ms() < engine->start_at_ms) {
        return;
    }
    char room[4096], tokens[512];
    token_path(s, tokens);
    const char *words[] = { "perdured", "--store", s->options->hub, "--listen", engine->address,
                            "--http",   "",        "--tokens",      tokens,     "--log-level",
                            "warn",     NULL };
    char *argv[sizeof words / sizeof words[0]];
    memcpy(argv, words, sizeof words);
    struct launch how = {
        .file = program(s, room, sizeof room),
        .argv = argv,
        .environment = environ,
        .output = &engine->output.fd,
        .death = SIGTERM,
    };
    engine->since_ms = now_ms();
    engine->pid = launch(&how);
    if (engine->pid < 0) {
        say("perdured cannot be started: %s", strerror(errno));
        engine->pid = 0;
        engine->start_at_ms = now_ms() + launch_delay(&engine->delay_ms, 0);
    }
}

static void on_line(void *argument, const char *text)
{
    struct supervisor *s = argument;
    static const char ready[] = "ready grpc=";
    if (strncmp(text, ready, sizeof ready - 1) == 0) {
        size_t size = strcspn(text + sizeof ready - 1, " ,");
        (void)snprintf(s->engine.address, sizeof s->engine.address, "%.*s", (int)size,
                       text + sizeof ready - 1);
        s->engine.is_ready = s->engine.was_ready = true;
    }
}

void engine_read(struct supervisor *s)
{
    if (!lines_read(&s->engine.output, on_line, s)) {
        lines_close(&s->engine.output);
    }
}

void engine_ended(struct supervisor *s, int status)
{
    struct engine *engine = &s->engine;
    engine->pid = 0;
    engine->is_ready = false;
    lines_close(&engine->output);
    if (s->is_ending) {
        return;
    }
    if (!engine->was_ready) { /* it has said why */
        s->is_ending = true;
        s->code = 1;
        return;
    }
    say("perdured ended (%s %d) and is started again", WIFSIGNALED(status) ? "signal" : "code",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    engine->start_at_ms = now_ms() + launch_delay(&engine->delay_ms, now_ms() - engine->since_ms);
}

const char *engine_url(const struct supervisor *s, char *room, size_t size)
{
    if (!s->engine.is_wanted) {
        return s->options->hub;
    }
    (void)snprintf(room, size, "grpc://%s?token=%s", s->engine.address, s->engine.token);
    return room;
}
