/* SPDX-License-Identifier: MIT
 *
 * The views for people: what is stored, as plain sqlite3 shows it.
 * Nothing in the library reads them. */
#include "store/sqlite/schema.h"

const char schema_views[] = "";
