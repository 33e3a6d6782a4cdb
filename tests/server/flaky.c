/* SPDX-License-Identifier: MIT
 *
 * The store that fails when told, of the engine's tests. */
#include "unit/engine/flaky_store.c"
