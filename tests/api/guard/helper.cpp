// SPDX-License-Identifier: MIT
//
// See helper.h.
#include "helper.h"

#include <chrono>
#include <sys/time.h>

long helper_now(void)
{
    timeval now;
    gettimeofday(&now, nullptr);
    return now.tv_sec;
}

long helper_chrono(void)
{
    return std::chrono::system_clock::now().time_since_epoch().count();
}
