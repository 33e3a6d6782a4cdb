/* SPDX-License-Identifier: MIT
 *
 * Whose page talks through a browser? A page that somebody else wrote can send requests to servers
 * of the machine, or network, on which it is shown, and some of these (a form, a POST of
 * text/plain) without the browser asking them before. Where no key says who asks, servers look at:
 *
 *   B1  Origin, which browsers add to whatever a page sends but plain GETs: a page of another
 *       origin than the server's has nothing to say.
 *   B2  Host: a page of evil.example may have that name lead to 127.0.0.1, and is of the server's
 *       origin then. So where only this machine reaches a server, its name has to be one that
 *       nobody else gives away.
 *
 * public_url: "https://host:80/path", where clients find the server through a proxy; NULL: none. */
#ifndef NET_HTTP_PAGE_H
#define NET_HTTP_PAGE_H

#include <stdbool.h>

#include "base/text.h"

/* "host", "host:80", "[::1]:80" */
bool http_is_authority(struct text authority);

/* B1. host: what clients call us, of the Host or from a proxy. */
bool http_is_page_ours(struct text origin, struct text host, const char *public_url);
/* B2. An address, localhost, or the host of public_url; with that also a name without dots, as a
 * proxy chooses it, which nobody can have lead here. Empty, or absent: no browser sent that. */
bool http_is_host_ours(struct text host, const char *public_url);

#endif
