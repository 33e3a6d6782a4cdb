/* SPDX-License-Identifier: MIT
 *
 * Versions: which is older, and whether a worker may run an instance.
 *
 *   V1  A version is parts between dots. Two parts that are numbers compare as numbers, of any
 *       length; others byte by byte. What has fewer parts is older; no version is the oldest.
 *   V2  Any worker may run an instance without a version: such were started before there were
 *       versions, or by somebody who does not care. */
#include "author/author_priv.h"

/* The part in front, which goes; false: there is none left. */
static bool next_part(struct text *rest, struct text *ret)
{
    if (!text_is_present(*rest)) {
        return false;
    }
    const char *dot = rest->size > 0 ? memchr(rest->at, '.', rest->size) : NULL;
    if (dot == NULL) {
        *ret = *rest;
        *rest = TEXT_ABSENT;
    } else {
        *ret = text_make(rest->at, (size_t)(dot - rest->at));
        *rest = text_make(dot + 1, rest->size - ret->size - 1);
    }
    return true;
}

static bool is_number(struct text t)
{
    for (size_t i = 0; i < t.size; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') {
            return false;
        }
    }
    return t.size > 0;
}

static int compare_bytes(struct text a, struct text b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.at, b.at, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static struct text without_zeros(struct text t)
{
    while (t.size > 1 && t.at[0] == '0') {
        t = text_make(t.at + 1, t.size - 1);
    }
    return t;
}

static int compare_parts(struct text a, struct text b)
{
    if (!is_number(a) || !is_number(b)) {
        return compare_bytes(a, b);
    }
    a = without_zeros(a);
    b = without_zeros(b);
    return a.size != b.size ? (a.size > b.size ? 1 : -1) : compare_bytes(a, b);
}

int version_compare(struct text a, struct text b)
{
    struct text part_a, part_b;
    a = a.size > 0 ? a : TEXT_ABSENT;
    b = b.size > 0 ? b : TEXT_ABSENT;
    for (;;) {
        bool has_a = next_part(&a, &part_a), has_b = next_part(&b, &part_b);
        if (!has_a || !has_b) {
            return has_a - has_b;
        }
        int order = compare_parts(part_a, part_b);
        if (order != 0) {
            return order;
        }
    }
}

bool version_fits(const struct author *author, struct text version)
{
    if (version.size == 0) {
        return true;
    }
    switch (author->version_match) {
    case PD_VERSION_ANY: return true;
    case PD_VERSION_SAME: return version_compare(version, author->version) == 0;
    case PD_VERSION_SAME_OR_OLDER: return version_compare(version, author->version) <= 0;
    }
    unreachable_state("a version match");
}
