/* SPDX-License-Identifier: MIT
 *
 * Making and ending objects with a magic number, and what is said about a wrong one.
 */
#include "base/object.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

/* Not zero, so that a freed object differs from a fresh one in a dump. */
static const uint32_t dead_magic = 0xdeadc0deu;

void *object_new(size_t size, uint32_t magic)
{
    void *p = mem_alloc(size);
    memcpy(p, &magic, sizeof magic);
    return p;
}

void object_free(void *p)
{
    /* Through volatile: a store just before free is otherwise removed as dead. */
    *(volatile uint32_t *)p = dead_magic;
    mem_free(p);
}

void object_check_failed(const char *expression, const void *p, const char *magic, const char *file,
                         int line, const char *function)
{
    char what[256];
    if (p == NULL) {
        snprintf(what, sizeof what, "%s is an object (%s): it is NULL", expression, magic);
    } else {
        uint32_t found;
        memcpy(&found, p, sizeof found);
        snprintf(what, sizeof what, "%s is a living %s: %p has magic 0x%08x%s", expression, magic,
                 p, (unsigned)found, found == dead_magic ? ", it was freed" : "");
    }
    assert_failed(what, file, line, function);
}
