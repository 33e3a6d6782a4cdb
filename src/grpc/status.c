/* SPDX-License-Identifier: MIT
 *
 * Statuses: gRPC's names, and the way between them and ours. */
#include "grpc/grpc.h"

const char *grpc_status_name(enum grpc_status status)
{
    switch (status) {
#define X(name, number) \
    case GRPC_##name: return #name;
        GRPC_STATUS_MAP(X)
#undef X
    }
    return "?";
}

enum grpc_status grpc_status_of(pd_status status)
{
    switch (status) {
#define X(name, number, grpc, http, text) \
    case PD_##name: return GRPC_##grpc;
        PD_STATUS_MAP(X)
#undef X
    }
    return GRPC_UNKNOWN;
}

/* Not the reverse of the above: two of ours are one of gRPC's, and gRPC has more. Retryable is what
 * a server says when nothing happened, or may have happened. */
pd_status grpc_status_to_pd(enum grpc_status status, bool *ret_retryable)
{
    *ret_retryable = status == GRPC_UNAVAILABLE || status == GRPC_ABORTED;
    switch (status) {
    case GRPC_OK: return PD_OK;
    case GRPC_CANCELLED: return PD_E_CANCELLED;
    case GRPC_INVALID_ARGUMENT:
    case GRPC_OUT_OF_RANGE: return PD_E_INVALID;
    case GRPC_DEADLINE_EXCEEDED: return PD_E_TIMEOUT;
    case GRPC_NOT_FOUND: return PD_E_NOT_FOUND;
    case GRPC_ALREADY_EXISTS: return PD_E_EXISTS;
    case GRPC_PERMISSION_DENIED:
    case GRPC_UNAUTHENTICATED: return PD_E_DENIED;
    case GRPC_RESOURCE_EXHAUSTED: return PD_E_LIMIT;
    case GRPC_FAILED_PRECONDITION: return PD_E_STATE;
    case GRPC_ABORTED: return PD_E_LEASE_LOST;
    case GRPC_UNAVAILABLE: return PD_E_UNAVAILABLE;
    case GRPC_DATA_LOSS: return PD_E_CORRUPT;
    case GRPC_UNKNOWN:
    case GRPC_UNIMPLEMENTED:
    case GRPC_INTERNAL: return PD_E_BUG;
    }
    return PD_E_BUG;
}
