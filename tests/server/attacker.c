/* SPDX-License-Identifier: MIT
 *
 * The attacker of gRPC's tests: frames of HTTP/2 as one likes them. */
#include "unit/grpc/attacker.c" /* NOLINT(bugprone-suspicious-include) */
