/* SPDX-License-Identifier: MIT
 *
 * Certificates for tests of TLS, made once a process, in a folder that goes with it: NAME.pem and
 * NAME.key of
 *
 *     ca, other            authorities; of the second is only "stranger"
 *     server               for localhost and 127.0.0.1
 *     alice, bob           clients, with these common names
 *     nameless             a client without a common name
 *     expired              a client whose time is over
 *     stranger             a client of the other authority */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

/* Of "alice.pem" and the like. Lives as long as the process. */
const char *certificate_file(const char *name);
/* Another certificate and key for the server, in the same files. */
void certificate_renew(void);

#endif
