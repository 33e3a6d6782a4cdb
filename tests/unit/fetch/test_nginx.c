/* SPDX-License-Identifier: MIT
 *
 * Against a real server: nginx with TLS and HTTP/2, and a certificate that nobody knows but who is
 * told. Skipped where there is no nginx or no openssl.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "asking.h"

enum { MANY = 1000 };

static char folder[] = "/tmp/perdure-fetch-XXXXXX";
static unsigned tls_port;
static pid_t nginx;

static unsigned free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void write_config(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "daemon off; worker_processes 1; pid %s/pid; error_log %s/log;\n"
                  "events { worker_connections 4096; }\n"
                  "http { access_log off; client_body_temp_path %s; proxy_temp_path %s;\n"
                  "fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\n"
                  "server { listen 127.0.0.1:%u ssl http2; ssl_certificate %s/cert;\n"
                  "ssl_certificate_key %s/key; location / { return 200 \"$server_protocol\"; }\n"
                  "location /home { return 302 /; } } }\n",
                  folder, folder, folder, folder, folder, folder, folder, tls_port, folder, folder);
    (void)fclose(file);
}

static bool is_up(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)tls_port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return is;
}

static int begin_nginx(void **state)
{
    char config[128], command[512];
    (void)state;
    (void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command,
                   "command -v nginx >/dev/null && openssl req -x509 -newkey ec -pkeyopt "
                   "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=perdure -addext "
                   "subjectAltName=IP:127.0.0.1 -keyout %s/key -out %s/cert 2>/dev/null",
                   folder, folder);
    if (system(command) != 0) {
        return 0;
    }
    tls_port = free_port();
    (void)snprintf(config, sizeof config, "%s/config", folder);
    write_config(config);
    nginx = fork();
    if (nginx == 0) {
        (void)execlp("nginx", "nginx", "-c", config, "-e", "stderr", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !is_up(); i++) {
        (void)usleep(10000);
    }
    return 0;
}

static int end_nginx(void **state)
{
    char command[128];
    (void)state;
    if (nginx > 0) {
        (void)kill(nginx, SIGTERM);
        (void)waitpid(nginx, NULL, 0);
    }
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void trust(bool is_trusted)
{
    char path[128];
    if (nginx <= 0) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/cert", folder);
    (void)(is_trusted ? setenv("SSL_CERT_FILE", path, 1) : unsetenv("SSL_CERT_FILE"));
}

static const char *input_of(const char *path)
{
    static char input[128];
    (void)snprintf(input, sizeof input, "{\"uri\":\"https://127.0.0.1:%u%s\"}", tls_port, path);
    return input;
}

static void http_2_is_spoken_where_the_server_does(void **state)
{
    (void)state;
    trust(true);
    assert_answers(input_of("/"), FETCH_OURS, "\"content\":\"HTTP/2.0\"");
    assert_answers(input_of("/home"), FETCH_OURS, "\"content\":\"HTTP/2.0\"");
}

static void who_is_certified_by_nobody_known_is_not_spoken_to(void **state)
{
    (void)state;
    trust(false);
    assert_fails(input_of("/"), FETCH_OURS, "HttpRequest", "certificate");
}

static void a_thousand_requests_at_once_are_all_answered(void **state)
{
    (void)state;
    trust(true);
    struct asked *asked = calloc(MANY, sizeof *asked);
    struct fetcher *fetcher = open_with("127.0.0.1", 0);
    const char *input = input_of("/");
    time_us began = fetch_now();
    for (int i = 0; i < MANY; i++) {
        asked_init(&asked[i], input, FETCH_OURS);
        module->start(fetcher, &asked[i].request);
    }
    for (int i = 0; i < MANY; i++) {
        asked_wait(&asked[i]);
        assert_int_equal(asked[i].times, 1);
        if (asked[i].response == NULL) {
            fail_msg("%d: %s: %s", i, asked[i].type, asked[i].message);
        }
        asked_done(&asked[i]);
    }
    print_message("%d in %lld ms\n", MANY, (long long)((fetch_now() - began) / 1000));
    module->close(fetcher);
    free(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_2_is_spoken_where_the_server_does),
        cmocka_unit_test(who_is_certified_by_nobody_known_is_not_spoken_to),
        cmocka_unit_test(a_thousand_requests_at_once_are_all_answered),
    };
    return cmocka_run_group_tests(tests, begin_nginx, end_nginx);
}
