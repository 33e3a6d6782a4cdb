/* SPDX-License-Identifier: MIT
 *
 * A program of a user who has Perdure installed: builds, starts, opens a hub, closes it. */
#include <perdure.h>
#include <stdio.h>

#include <perdure/strict.h>

int main(void)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open("memory:", &err);
    if (!hub)
        return pd_error_report(&err);
    printf("perdure %s\n", pd_version());
    return 0;
}
