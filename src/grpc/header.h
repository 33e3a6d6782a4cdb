/* SPDX-License-Identifier: MIT
 *
 * What gRPC writes into headers: time-outs ("20S") and texts of statuses (percent-encoded UTF-8),
 * and their details (google.rpc.Status, base64). */
#ifndef GRPC_HEADER_H
#define GRPC_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"

/* At most eight digits and one of HMSmun; false: neither. Parts of a microsecond count as one. */
bool header_parse_timeout(struct text t, int64_t *ret_us);
/* As exact as eight digits allow, rounded up; us >= 0. Returns its length. */
int header_format_timeout(int64_t us, char out[16]);

/* Control characters, what is not ASCII, '%', and spaces at either end (which HTTP/2 forbids) are
 * escaped. Bytes that are no UTF-8 are, too: the other side decides. */
void header_encode(struct buffer *into, struct text t);
/* Never fails: what is no escape stands for itself. */
void header_decode(struct buffer *into, struct text t);

/* The value of grpc-status-details-bin: google.rpc.Status of code and message, in base64 without
 * padding. False, and nothing is added: a text that is no UTF-8, or above HEADER_DETAILS_MAX, which
 * would only crowd the trailers. */
enum { HEADER_DETAILS_MAX = 1024 };
bool header_encode_details(struct buffer *into, uint32_t code, struct text message);

#endif
