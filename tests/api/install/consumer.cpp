// SPDX-License-Identifier: MIT
//
// The same as consumer.c, by a user of C++.
#include <cstdio>
#include <perdure.h>

#include <perdure/strict.h>

int main()
{
    pd_error err;
    pd_hub *hub = pd_hub_open("memory:", &err);
    if (!hub)
        return pd_error_report(&err);
    std::printf("perdure %s\n", pd_version());
    pd_hub_close(hub);
    return 0;
}
