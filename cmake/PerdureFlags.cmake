# SPDX-License-Identifier: MIT
#
# perdure_flags: the flags that all our code is built with, ours alone and never a user's.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_C_FLAGS_DEBUG "-O0 -g" CACHE STRING "Flags of a debug build")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g" CACHE STRING "Flags of a release build")
foreach(config DEBUG RELEASE) # CMake's own defaults, unless the user chose others
    if("${CMAKE_C_FLAGS_${config}}" MATCHES "^-g$|^-O3 -DNDEBUG$")
        set(ours_DEBUG "-O0 -g")
        set(ours_RELEASE "-O2 -g")
        set(CMAKE_C_FLAGS_${config} "${ours_${config}}" CACHE STRING "Flags" FORCE)
    endif()
endforeach()

add_library(perdure_flags INTERFACE)
target_compile_definitions(perdure_flags INTERFACE _GNU_SOURCE)
target_compile_options(perdure_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wswitch-enum -Wvla -Wundef -Wwrite-strings -Wcast-qual -Wformat=2 -Wimplicit-fallthrough
    -fstack-protector-strong -fno-omit-frame-pointer -ffunction-sections -fdata-sections
    $<$<BOOL:${PERDURE_WERROR}>:-Werror>)

if(PERDURE_SANITIZE)
    target_compile_options(perdure_flags INTERFACE
        -O1 -fsanitize=${PERDURE_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(perdure_flags INTERFACE -fsanitize=${PERDURE_SANITIZE})
else()
    target_compile_options(perdure_flags INTERFACE
        $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
    target_link_options(perdure_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
endif()

if(PERDURE_COVERAGE)
    target_compile_options(perdure_flags INTERFACE --coverage)
    target_link_options(perdure_flags INTERFACE --coverage)
endif()

# Only gcc can turn link-time objects back into one ordinary object (-flinker-output=nolto-rel),
# which the static library is made of.
if(PERDURE_LTO AND (PERDURE_SANITIZE OR NOT CMAKE_C_COMPILER_ID STREQUAL "GNU"))
    message(STATUS "PERDURE_LTO: off, it needs gcc and no sanitizer")
    set(PERDURE_LTO OFF)
endif()
