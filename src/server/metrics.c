/* SPDX-License-Identifier: MIT
 *
 * Metrics, as text for Prometheus. Everything here is a number that is at hand: a scrape costs
 * nothing but writing it down. Names and labels are those of the list in docs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/server_priv.h"

void metrics_head(struct buffer *page, const char *name, const char *type, const char *help)
{
    buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(struct buffer *page, const char *value)
{
    for (; *value != '\0'; value++) {
        buffer_printf(page, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
}

/* NAME{hub="HUB"[,LABEL="VALUE"]} NUMBER */
static void put(struct buffer *page, const char *name, const struct hub *hub, const char *label,
                const char *value, uint64_t number)
{
    buffer_printf(page, "%s{hub=\"", name);
    put_label(page, hub->name);
    buffer_printf(page, "\"");
    if (label != NULL) {
        buffer_printf(page, ",%s=\"%s\"", label, value);
    }
    buffer_printf(page, "} %" PRIu64 "\n", number);
}

static const char *const kinds[] = { "turn", "entity", "activity" };

enum { WAITING, UNFINISHED, DISPATCHED, COMPLETED };

static uint64_t number_of(const struct broker_counters *counters, int what, size_t kind)
{
    switch (what) {
    case WAITING: return counters->waiting[kind] + counters->aside[kind];
    case UNFINISHED: return counters->unfinished[kind];
    case DISPATCHED: return counters->dispatched[kind];
    default: return counters->completed[kind];
    }
}

static void put_kinds(const struct server *server, struct buffer *page, const char *name,
                      const char *type, const char *help, int what)
{
    metrics_head(page, name, type, help);
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (!hub_is_open(hub)) {
            continue;
        }
        struct broker_counters counters = broker_counters(hub->broker);
        for (size_t i = 0; i < 3; i++) {
            put(page, name, hub, "kind", kinds[i], number_of(&counters, what, i));
        }
    }
}

static void put_work(const struct server *server, struct buffer *page)
{
    put_kinds(server, page, "perdure_work_items_pending", "gauge", "Work that waits for a worker.",
              WAITING);
    put_kinds(server, page, "perdure_worker_inflight", "gauge", "Work that a worker has.",
              UNFINISHED);
    put_kinds(server, page, "perdure_work_items_dispatched_total", "counter", "Work handed out.",
              DISPATCHED);
    put_kinds(server, page, "perdure_work_items_completed_total", "counter", "Results taken.",
              COMPLETED);
    metrics_head(page, "perdure_work_items_abandoned_total", "counter",
                 "Work that came back without a result.");
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub_is_open(hub)) {
            struct broker_counters counters = broker_counters(hub->broker);
            const char *name = "perdure_work_items_abandoned_total";
            put(page, name, hub, "cause", "abandoned", counters.abandoned);
            put(page, name, hub, "cause", "lost", counters.lost);
            put(page, name, hub, "cause", "stale", counters.stale);
        }
    }
    metrics_head(page, "perdure_workers_connected", "gauge", "Streams of workers.");
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub_is_open(hub)) {
            put(page, "perdure_workers_connected", hub, NULL, NULL,
                broker_counters(hub->broker).streams);
        }
    }
    metrics_head(page, "perdure_waits", "gauge", "Clients that wait for an instance.");
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub_is_open(hub)) {
            put(page, "perdure_waits", hub, NULL, NULL, hub->waits.count);
        }
    }
}

/* ---- instances and the store ---------------------------------------------------------------- */

static void put_states(const struct server *server, struct buffer *page, const char *name,
                       bool is_census)
{
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        for (int i = is_census ? RUN_PENDING : RUN_COMPLETED; i <= (int)RUN_TERMINATED; i++) {
            if (hub_is_open(hub) && (!is_census || hub->census.is_known)) {
                put(page, name, hub, "status", status_name_of_state((enum run_state)i),
                    is_census ? hub->census.counts.of[i] : atomic_load(&hub->finished[i]));
            }
        }
    }
}

static void put_instances(const struct server *server, struct buffer *page)
{
    LIST_EACH(node, &server->hubs)
    {
        struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub_is_open(hub)) {
            census_look(hub);
        }
    }
    metrics_head(page, "perdure_instances", "gauge", "Orchestrations, as counted last.");
    put_states(server, page, "perdure_instances", true);
    metrics_head(page, "perdure_instances_finished_total", "counter",
                 "Orchestrations that have ended.");
    put_states(server, page, "perdure_instances_finished_total", false);
}

void metrics_put_histogram(struct buffer *page, const char *name, const char *labels,
                           const struct histogram *histogram)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= HISTOGRAM_STEPS; i++) {
        below += histogram->counts[i];
        buffer_printf(page, "%s_bucket{%s,le=\"", name, labels);
        if (i < HISTOGRAM_STEPS) {
            buffer_printf(page, "%g", (double)histogram_us[i] / 1e6);
        } else {
            buffer_printf(page, "+Inf");
        }
        buffer_printf(page, "\"} %" PRIu64 "\n", below);
    }
    buffer_printf(page, "%s_sum{%s} %" PRIu64 ".%06" PRIu64 "\n%s_count{%s} %" PRIu64 "\n", name,
                  labels, histogram->sum_us / 1000000, histogram->sum_us % 1000000, name, labels,
                  below);
}

static void put_histogram(struct buffer *page, const char *name, const struct hub *hub,
                          const char *kind, const struct histogram *histogram)
{
    char labels[2 * HUB_NAME_MAX + 64];
    struct buffer room;
    buffer_init(&room);
    buffer_printf(&room, "hub=\"");
    put_label(&room, hub->name);
    buffer_printf(&room, kind != NULL ? "\",kind=\"%s\"" : "\"%s", kind != NULL ? kind : "");
    snprintf(labels, sizeof labels, "%.*s", (int)room.size, (const char *)room.at);
    buffer_done(&room);
    metrics_put_histogram(page, name, labels, histogram);
}

static void put_durations(const struct server *server, struct buffer *page)
{
    static const char *const names[] = { "perdure_turn_duration_seconds",
                                         "perdure_activity_duration_seconds" };
    for (size_t which = 0; which < 2; which++) {
        metrics_head(page, names[which], "histogram",
                     "From handing out until the result was durable.");
        LIST_EACH(node, &server->hubs)
        {
            const struct hub *hub = CONTAINER_OF(node, struct hub, node);
            if (!hub_is_open(hub)) {
                continue;
            }
            struct broker_counters counters = broker_counters(hub->broker);
            if (which == 1) {
                put_histogram(page, names[1], hub, NULL, &counters.took[2]);
            } else {
                put_histogram(page, names[0], hub, kinds[0], &counters.took[0]);
                put_histogram(page, names[0], hub, kinds[1], &counters.took[1]);
            }
        }
    }
}

enum { COMMITS, COMMIT_ERRORS, STORE_SIZE, WAL_SIZE };

static void put_store_row(const struct server *server, struct buffer *page, const char *name,
                          int what)
{
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        uint64_t size[2];
        struct engine_state state;
        if (!hub_is_open(hub)) {
            continue;
        }
        engine_state(hub->engine, &state);
        hub_sizes(hub, &size[0], &size[1]);
        switch (what) {
        case COMMITS: put_histogram(page, name, hub, NULL, &state.commits); break;
        case COMMIT_ERRORS: put(page, name, hub, NULL, NULL, state.failed_commits); break;
        default: put(page, name, hub, NULL, NULL, size[what - STORE_SIZE]); break;
        }
    }
}

static void put_store(const struct server *server, struct buffer *page)
{
    static const char *const rows[][3] = {
        [COMMITS] = { "perdure_store_commit_duration_seconds", "histogram",
                      "How long commits took." },
        [COMMIT_ERRORS] = { "perdure_store_errors_total", "counter", "Commits that failed." },
        [STORE_SIZE] = { "perdure_store_size_bytes", "gauge", "The file of the hub." },
        [WAL_SIZE] = { "perdure_store_wal_bytes", "gauge", "What is to be moved to it." },
    };
    for (int i = COMMITS; i <= (int)WAL_SIZE; i++) {
        metrics_head(page, rows[i][0], rows[i][1], rows[i][2]);
        put_store_row(server, page, rows[i][0], i);
    }
}

static const char *method_name(const struct server *server, size_t index)
{
    const char *path = index < server->method_count ? server->methods[index]->path : "/other";
    return strrchr(path, '/') + 1;
}

static void put_rpcs(const struct server *server, struct buffer *page)
{
    metrics_head(page, "perdure_rpc_requests_total", "counter", "Calls that have ended.");
    for (size_t i = 0; i <= server->method_count; i++) {
        for (size_t code = 0; code < STATUSES; code++) {
            if (server->counts[i].ended[code] != 0) {
                buffer_printf(page,
                              "perdure_rpc_requests_total{method=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                              method_name(server, i), grpc_status_name((enum grpc_status)code),
                              server->counts[i].ended[code]);
            }
        }
    }
    metrics_head(page, "perdure_rpc_duration_seconds", "summary", "How long they took.");
    for (size_t i = 0; i <= server->method_count; i++) {
        const struct method_counts *counts = &server->counts[i];
        uint64_t ended = 0;
        for (size_t code = 0; code < STATUSES; code++) {
            ended += counts->ended[code];
        }
        if (ended != 0) {
            const char *name = method_name(server, i);
            buffer_printf(page,
                          "perdure_rpc_duration_seconds_sum{method=\"%s\"} %" PRIu64 ".%06" PRIu64
                          "\nperdure_rpc_duration_seconds_count{method=\"%s\"} %" PRIu64 "\n",
                          name, counts->us / 1000000, counts->us % 1000000, name, ended);
        }
    }
}

static void put_process(const struct server *server, struct buffer *page)
{
    struct rusage usage = { 0 };
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        char line[128] = "";
        const char *second = fgets(line, sizeof line, statm) != NULL ? strchr(line, ' ') : NULL;
        pages = second != NULL ? strtol(second, NULL, 10) : 0;
        (void)fclose(statm);
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    time_us cpu = ((time_us)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TIME_SECOND +
                  usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    metrics_head(page, "process_cpu_seconds_total", "counter", "Processor time.");
    buffer_printf(page, "process_cpu_seconds_total %" PRId64 ".%06" PRId64 "\n", cpu / TIME_SECOND,
                  cpu % TIME_SECOND);
    metrics_head(page, "process_resident_memory_bytes", "gauge", "Memory.");
    buffer_printf(page, "process_resident_memory_bytes %ld\n", pages * sysconf(_SC_PAGESIZE));
    metrics_head(page, "process_start_time_seconds", "gauge", "When it started, since 1970.");
    buffer_printf(page, "process_start_time_seconds %" PRId64 "\n",
                  server->started_at / TIME_SECOND);
}

void metrics_write(struct server *server, struct buffer *page)
{
    metrics_head(page, "perdure_build_info", "gauge", "What runs.");
    buffer_printf(page, "perdure_build_info{version=\"%s\"} 1\n", PERDURE_VERSION);
    metrics_head(page, "perdure_up", "gauge", "1: it takes work.");
    buffer_printf(page, "perdure_up %d\n", server->is_ready);
    put_work(server, page);
    put_instances(server, page);
    put_durations(server, page);
    put_store(server, page);
    struct webhooks_counts webhooks = { 0 };
    if (server->webhooks != NULL) {
        webhooks = webhooks_counts(server->webhooks);
    }
    metrics_head(page, "perdure_webhook_requests_total", "counter", "Requests of webhooks.");
    buffer_printf(page,
                  "perdure_webhook_requests_total{result=\"delivered\"} %" PRIu64
                  "\nperdure_webhook_requests_total{result=\"failed\"} %" PRIu64 "\n",
                  webhooks.delivered, webhooks.failed);
    metrics_head(page, "perdure_purged_instances_total", "counter", "Instances purged by calls.");
    buffer_printf(page, "perdure_purged_instances_total %" PRIu64 "\n", server->purged);
    put_rpcs(server, page);
    http_counts_write(server, page);
    metrics_head(page, "perdure_connections", "gauge", "Connections.");
    buffer_printf(page, "perdure_connections{listener=\"grpc\"} %zu\n",
                  grpc_server_connections(server->grpc));
    if (server->http != NULL) {
        buffer_printf(page, "perdure_connections{listener=\"http\"} %u\n",
                      http_listener_connections(server->http));
    }
    if (server->tls != NULL) {
        metrics_head(page, "perdure_tls_certificate_expiry_timestamp_seconds", "gauge",
                     "When the certificate ends, since 1970.");
        buffer_printf(page, "perdure_tls_certificate_expiry_timestamp_seconds %" PRId64 "\n",
                      tls_expires_at(server->tls) / TIME_SECOND);
    }
    put_process(server, page);
}
