/* SPDX-License-Identifier: MIT
 *
 * All of base, for those who use most of it. base/README.md says what is in which header.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/http_text.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/network.h"
#include "base/object.h"
#include "base/percent.h"
#include "base/random.h"
#include "base/signal_stack.h"
#include "base/shelf.h"
#include "base/tags.h"
#include "base/text.h"
#include "base/time.h"

#endif
