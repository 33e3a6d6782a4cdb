/* SPDX-License-Identifier: MIT
 *
 * The server of the API's tests, for those here. */
#include "api/served_kit.c" /* NOLINT(bugprone-suspicious-include) */
