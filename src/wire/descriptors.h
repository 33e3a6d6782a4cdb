/* SPDX-License-Identifier: MIT
 *
 * The .proto files of the services, as protoc describes them: for server reflection.
 *
 * Made when perdured is built (cmake/PerdureTargets.cmake, perdure_descriptors); libperdure does
 * not carry it. */
#ifndef WIRE_DESCRIPTORS_H
#define WIRE_DESCRIPTORS_H

#include "base/text.h"

/* An encoded FileDescriptorSet with all that is imported; absent: there was no protoc. */
extern const struct text wire_descriptors;

#endif
