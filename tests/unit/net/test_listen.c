/* SPDX-License-Identifier: MIT
 *
 * Where a server listens: paths of sockets, whose they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/sock.h"

static char folder[64], address[128];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/perdure-listen-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address, sizeof address, "unix:%s/socket", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(address + 5);
    return rmdir(folder);
}

static void a_path_of_somebody_who_listens_is_not_taken_from_him(void **state)
{
    char name[SOCK_NAME_MAX];
    struct stat before, after;
    pd_error err;
    (void)state;
    int fd = sock_listen(address, name, &err);
    assert_true(fd >= 0);
    assert_string_equal(name, address);
    assert_int_equal(stat(address + 5, &before), 0);
    assert_int_equal(sock_listen(address, name, &err), -1);
    assert_int_equal(err.status, PD_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "Address already in use"));
    assert_int_equal(stat(address + 5, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    (void)close(fd);
}

static void a_path_that_the_dead_left_is_taken(void **state)
{
    char name[SOCK_NAME_MAX];
    pd_error err;
    (void)state;
    for (int life = 0; life < 2; life++) {
        int fd = sock_listen(address, name, &err);
        assert_true(fd >= 0);
        (void)close(fd); /* its path stays */
        assert_int_equal(access(address + 5, F_OK), 0);
    }
}

static void a_file_that_is_no_socket_stays(void **state)
{
    char name[SOCK_NAME_MAX];
    pd_error err;
    (void)state;
    FILE *file = fopen(address + 5, "we");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(sock_listen(address, name, &err), -1);
    assert_int_equal(access(address + 5, F_OK), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_path_of_somebody_who_listens_is_not_taken_from_him),
        test(a_path_that_the_dead_left_is_taken),
        test(a_file_that_is_no_socket_stays),
    };
    return cmocka_run_group_tests_name("net: where to listen", tests, NULL, NULL);
}
