/* Which symbols the library shows, and the version of its interface. Included by the other headers.
 */
#ifndef LEAF_EDGE_API_H
#define LEAF_EDGE_API_H

#include <stdint.h>

/* Of the C interface, apart from the project's version: the major number changes when a program
 * must be compiled again (it is the SONAME), the minor one when something was added. */
#define LEAF_API_MAJOR 1
#define LEAF_API_MINOR 0
#define LEAF_API_VERSION (LEAF_API_MAJOR << 16 | LEAF_API_MINOR)

/* LEAF_BUILDING is defined while the library itself is compiled, which hides all other symbols. */
#if defined(LEAF_BUILDING) && defined(__GNUC__)
#define LEAF_API __attribute__((visibility("default")))
#else
#define LEAF_API
#endif

#endif /* LEAF_EDGE_API_H */
