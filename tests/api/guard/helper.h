/* SPDX-License-Identifier: MIT
 *
 * A library of the user's, in C++, that looks at clocks. */
#ifndef HELPER_H
#define HELPER_H

#ifdef __cplusplus
extern "C" {
#endif
long helper_now(void);
long helper_chrono(void); /* through the C++ library's own slots */
#ifdef __cplusplus
}
#endif

#endif
