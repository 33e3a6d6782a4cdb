/* SPDX-License-Identifier: MIT
 *
 * docs/openapi.json, made a part of perdured when it is built (cmake/PerdureTargets.cmake). */
#ifndef SERVER_WEB_OPENAPI_H
#define SERVER_WEB_OPENAPI_H

#include "base/text.h"

extern const struct text web_openapi;

#endif
