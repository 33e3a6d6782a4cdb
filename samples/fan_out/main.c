/* SPDX-License-Identifier: MIT
 *
 * Fan-out, fan-in: one activity lists the files below a folder, one for each file finds its size,
 * all at the same time, and the orchestrator adds them up.
 *
 *     fan_out [FOLDER] [URL]        the folder is "." unless given */
#include <errno.h>
#include <fts.h>
#include <perdure.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void close_walk(void *walk)
{
    fts_close(walk);
}

static pd_result list_files(pd_activity *a, pd_value folder)
{
    const char *name;
    if (!pd_read(a, folder, &name))
        return PD_FAILED;

    char *root = pd_alloc(a, strlen(name) + 1);
    memcpy(root, name, strlen(name));
    FTS *walk = fts_open((char *[]){ root, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return pd_fail(a, "CannotRead", "%s: %s", name, strerror(errno));
    pd_defer(a, close_walk, walk);

    pd_list *files = pd_list_new(a);
    for (FTSENT *entry; (entry = fts_read(walk));) {
        if (entry->fts_info == FTS_F)
            pd_list_add(files, entry->fts_path);
        else if (entry->fts_level == FTS_ROOTLEVEL && entry->fts_info == FTS_NS)
            return pd_fail(a, "CannotRead", "%s: %s", name, strerror(entry->fts_errno));
    }
    return pd_ok(a, files);
}

static pd_result file_size(pd_activity *a, pd_value file)
{
    struct stat found;
    if (stat(pd_text(file), &found) == 0)
        return pd_ok(a, (int64_t)found.st_size);
    if (errno == ENOENT) /* it has gone since it was listed, and takes no space */
        return pd_ok(a, 0);
    return pd_fail(a, "CannotRead", "%s: %s", pd_text(file), strerror(errno));
}

static pd_result sum_folder(pd_orchestration *o, pd_value folder)
{
    pd_value files = pd_call_activity(o, list_files, folder);
    size_t n = pd_count(files);
    pd_task **sizes = pd_alloc(o, n * sizeof *sizes);

    for (size_t i = 0; i < n; i++)
        sizes[i] = pd_start_activity(o, file_size, pd_at(files, i));
    pd_await_all(o, sizes, n);

    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += pd_int(pd_task_value(sizes[i]));
    return pd_ok(o, bytes);
}

static const pd_function program[] = {
    PD_FUNCTION("SumFolder", sum_folder),
    PD_FUNCTION("ListFiles", list_files),
    PD_FUNCTION("FileSize", file_size),
};

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    const char *url = argc > 2 ? argv[2] : "sqlite:fan_out.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id = { "" };
    if (pd_hub_start(hub, sum_folder, folder, NULL, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);

    const pd_failure *failure = pd_instance_failure(done);
    if (failure) {
        const pd_failure *why = failure->cause ? failure->cause : failure;
        fprintf(stderr, "fan_out: %s\n", why->message);
        return 1;
    }
    puts(pd_instance_output_json(done));
    return 0;
}
