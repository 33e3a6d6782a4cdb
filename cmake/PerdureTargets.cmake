# SPDX-License-Identifier: MIT
#
# How folders become targets.

# All sources of the rooms; a room that does not exist yet has none.
function(perdure_room_sources out)
    set(sources "")
    foreach(room IN LISTS ARGN)
        file(GLOB_RECURSE found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${room}/*.c")
        list(APPEND sources ${found})
    endforeach()
    if(NOT sources)
        file(WRITE "${PROJECT_BINARY_DIR}/internal/empty.c" "typedef int perdure_is_empty;\n")
        list(APPEND sources "${PROJECT_BINARY_DIR}/internal/empty.c")
    endif()
    set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# With PERDURE_STRIP: the target stripped in place, its symbols beside it in debug/.
function(perdure_strip target)
    if(NOT PERDURE_STRIP)
        return()
    endif()
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/debug"
        COMMAND "${CMAKE_OBJCOPY}" --only-keep-debug $<TARGET_FILE:${target}>
            "${PROJECT_BINARY_DIR}/debug/$<TARGET_FILE_NAME:${target}>.debug"
        COMMAND "${CMAKE_STRIP}" --strip-unneeded $<TARGET_FILE:${target}>
        COMMAND "${CMAKE_OBJCOPY}"
            "--add-gnu-debuglink=${PROJECT_BINARY_DIR}/debug/$<TARGET_FILE_NAME:${target}>.debug"
            $<TARGET_FILE:${target}>
        VERBATIM)
endfunction()

# The objects of a target joined into one, in which only pd_* that is not hidden stays global.
function(perdure_one_object name output target)
    set(lto "")
    if(PERDURE_LTO)
        set(lto -flto=auto -flinker-output=nolto-rel -O2 -g -ffunction-sections -fdata-sections)
    endif()
    set(strip "")
    if(PERDURE_STRIP)
        set(strip --strip-debug)
    endif()
    add_custom_command(OUTPUT "${output}"
        COMMAND "${CMAKE_C_COMPILER}" -r -nostdlib ${lto} -o "${output}.all"
            "$<TARGET_OBJECTS:${target}>"
        COMMAND "${CMAKE_OBJCOPY}" --localize-hidden --wildcard "--keep-global-symbol=pd_*"
            ${strip} "${output}.all" "${output}"
        DEPENDS ${target} "$<TARGET_OBJECTS:${target}>"
        COMMENT "Joining libperdure into one object"
        COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties("${output}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    add_custom_target(${name} DEPENDS "${output}")
endfunction()

# A program for users: public header only, the library inside it, so that it runs from anywhere.
function(perdure_program target name)
    add_executable(${target} ${ARGN})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
    target_link_libraries(${target} PRIVATE perdure_flags perdure_static)
    target_link_options(${target} PRIVATE -Wl,--gc-sections)
    perdure_strip(${target})
endfunction()

# The rooms that need sockets, as objects: net and grpc; and broker, of the server.
function(perdure_network)
    pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
    pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent>=2.1.12)
    pkg_check_modules(EVENT_OPENSSL REQUIRED IMPORTED_TARGET libevent_openssl>=2.1.12)
    pkg_check_modules(EVENT_PTHREADS REQUIRED IMPORTED_TARGET libevent_pthreads>=2.1.12)
    pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
    pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
    perdure_room_sources(sources net grpc)
    add_library(perdure_network STATIC ${sources})
    set_target_properties(perdure_network PROPERTIES
        INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO} LINKER_LANGUAGE C
        ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/internal")
    target_include_directories(perdure_network PUBLIC src include)
    target_link_libraries(perdure_network PRIVATE perdure_flags)
    target_link_libraries(perdure_network PUBLIC perdure_objects
        PkgConfig::NGHTTP2 PkgConfig::EVENT_OPENSSL
        PkgConfig::EVENT_PTHREADS PkgConfig::EVENT PkgConfig::OPENSSL PkgConfig::ZLIB
        Threads::Threads)
endfunction()

# proto/*.proto of the services -> wire_descriptors (src/wire/descriptors.h), absent without protoc.
function(perdure_descriptors)
    find_program(PERDURE_PROTOC protoc)
    find_path(PERDURE_PROTO_INCLUDE google/protobuf/wrappers.proto)
    set(out "${PROJECT_BINARY_DIR}/internal/descriptors")
    set(in "")
    if(PERDURE_PROTOC AND PERDURE_PROTO_INCLUDE)
        set(in "${out}.pb")
        set(protos "${PROJECT_SOURCE_DIR}/proto/task_hub.proto"
            "${PROJECT_SOURCE_DIR}/proto/perdure.proto")
        add_custom_command(OUTPUT "${in}"
            COMMAND "${PERDURE_PROTOC}" "-I${PROJECT_SOURCE_DIR}/proto" "-I${PERDURE_PROTO_INCLUDE}"
                --include_imports "--descriptor_set_out=${in}" ${protos}
            DEPENDS ${protos}
            VERBATIM)
    else()
        message(STATUS "protoc or its .proto files are missing: perdured has no reflection")
    endif()
    add_custom_command(OUTPUT "${out}.c"
        COMMAND "${CMAKE_COMMAND}" "-DIN=${in}" "-DOUT=${out}.c" -DSYMBOL=wire_descriptors
            -DHEADER=wire/descriptors.h -P "${PROJECT_SOURCE_DIR}/cmake/PerdureEmbed.cmake"
        DEPENDS ${in} "${PROJECT_SOURCE_DIR}/cmake/PerdureEmbed.cmake"
        VERBATIM)
    add_library(perdure_descriptors STATIC "${out}.c")
    set_target_properties(perdure_descriptors PROPERTIES
        ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/internal")
    target_include_directories(perdure_descriptors PUBLIC src include)
    target_link_libraries(perdure_descriptors PRIVATE perdure_flags)
endfunction()

# src/remote/*.c -> lib/perdure-grpc.so, which libperdure opens for grpc: URLs. Exports one name.
function(perdure_module)
    perdure_room_sources(sources remote)
    add_library(perdure_remote OBJECT ${sources}) # also for tests
    target_include_directories(perdure_remote PRIVATE src include)
    target_compile_definitions(perdure_remote PRIVATE PERDURE_VERSION="${PROJECT_VERSION}")
    target_link_libraries(perdure_remote PRIVATE perdure_flags)
    set_target_properties(perdure_remote PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    add_library(perdure_module MODULE $<TARGET_OBJECTS:perdure_remote>)
    set_target_properties(perdure_module PROPERTIES
        PREFIX "" OUTPUT_NAME perdure-grpc LINKER_LANGUAGE C
        INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    target_link_libraries(perdure_module PRIVATE perdure_flags perdure_network perdure_objects)
    target_link_options(perdure_module PRIVATE -Wl,--gc-sections -Wl,--exclude-libs,ALL)
    perdure_strip(perdure_module)
endfunction()

# src/fetch/*.c -> lib/perdure-http.so, opened at the first HTTP request of an orchestration.
function(perdure_http_module)
    pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
    perdure_room_sources(sources fetch)
    add_library(perdure_fetch OBJECT ${sources}) # also for tests
    target_include_directories(perdure_fetch PRIVATE src include)
    target_compile_definitions(perdure_fetch PRIVATE PERDURE_VERSION="${PROJECT_VERSION}")
    target_link_libraries(perdure_fetch PRIVATE perdure_flags PkgConfig::CURL)
    set_target_properties(perdure_fetch PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    add_library(perdure_http MODULE $<TARGET_OBJECTS:perdure_fetch>)
    set_target_properties(perdure_http PROPERTIES
        PREFIX "" OUTPUT_NAME perdure-http LINKER_LANGUAGE C
        INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    target_link_libraries(perdure_http PRIVATE perdure_flags perdure_objects PkgConfig::CURL)
    target_link_options(perdure_http PRIVATE -Wl,--gc-sections -Wl,--exclude-libs,ALL)
    perdure_strip(perdure_http)
endfunction()

# src/server/*.c and the broker -> bin/perdured; all but its main also for tests.
function(perdure_server)
    perdure_room_sources(sources broker server)
    list(FILTER sources EXCLUDE REGEX "/src/server/main[.]c$")
    set(openapi "${PROJECT_BINARY_DIR}/internal/openapi.c") # docs/openapi.json, which it serves
    add_custom_command(OUTPUT "${openapi}"
        COMMAND "${CMAKE_COMMAND}" "-DIN=${PROJECT_SOURCE_DIR}/docs/openapi.json"
            "-DOUT=${openapi}" -DSYMBOL=web_openapi -DHEADER=server/web_openapi.h
            -P "${PROJECT_SOURCE_DIR}/cmake/PerdureEmbed.cmake"
        DEPENDS docs/openapi.json "${PROJECT_SOURCE_DIR}/cmake/PerdureEmbed.cmake"
        VERBATIM)
    add_library(perdure_served STATIC ${sources} "${openapi}")
    set_target_properties(perdure_served PROPERTIES
        INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO} LINKER_LANGUAGE C
        ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/internal")
    target_compile_definitions(perdure_served PRIVATE PERDURE_VERSION="${PROJECT_VERSION}")
    target_link_libraries(perdure_served PRIVATE perdure_flags)
    target_link_libraries(perdure_served PUBLIC
        perdure_network perdure_descriptors perdure_objects)
    if(EXISTS "${PROJECT_SOURCE_DIR}/src/server/main.c")
        add_executable(perdured "${PROJECT_SOURCE_DIR}/src/server/main.c")
        target_compile_definitions(perdured PRIVATE PERDURE_VERSION="${PROJECT_VERSION}")
        target_link_libraries(perdured PRIVATE perdure_flags perdure_served)
        target_link_options(perdured PRIVATE -Wl,--gc-sections)
        set_target_properties(perdured PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
        perdure_strip(perdured)
    endif()
endfunction()

# src/host/*.c -> bin/perdure-host. It is linked with libperdure.so, which has what the apps that it
# loads call. "Needed" is said by hand: with --as-needed, ld takes pd_* of objects for link-time
# optimisation from libperdure_objects.a instead, where no app finds it.
function(perdure_host)
    perdure_room_sources(sources host)
    list(FILTER sources EXCLUDE REGEX "/src/host/main[.]c$")
    add_library(perdure_hosted OBJECT ${sources}) # also for tests
    target_include_directories(perdure_hosted PRIVATE src include)
    target_link_libraries(perdure_hosted PRIVATE perdure_flags)
    set_target_properties(perdure_hosted PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    add_executable(perdure_host
        "${PROJECT_SOURCE_DIR}/src/host/main.c" $<TARGET_OBJECTS:perdure_hosted>)
    target_include_directories(perdure_host PRIVATE src include)
    target_link_libraries(perdure_host PRIVATE perdure_flags
        -Wl,--push-state,--no-as-needed perdure -Wl,--pop-state perdure_network)
    target_link_options(perdure_host PRIVATE -Wl,--gc-sections)
    set_target_properties(perdure_host PROPERTIES OUTPUT_NAME perdure-host
        INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}"
        INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    perdure_strip(perdure_host)
endfunction()

# src/cli/*.c -> bin/perdure
function(perdure_command)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/cli/*.c")
    if(NOT sources)
        return()
    endif()
    perdure_program(perdure_cli perdure ${sources})
    target_compile_definitions(perdure_cli PRIVATE PERDURE_VERSION="${PROJECT_VERSION}")
    if(PERDURE_SMARTCOLS)
        pkg_check_modules(SMARTCOLS REQUIRED IMPORTED_TARGET smartcols>=2.36)
        target_link_libraries(perdure_cli PRIVATE PkgConfig::SMARTCOLS)
        target_compile_definitions(perdure_cli PRIVATE PERDURE_SMARTCOLS=1)
    else()
        target_compile_definitions(perdure_cli PRIVATE PERDURE_SMARTCOLS=0)
    endif()
endfunction()

# samples/NAME/*.c -> bin/NAME; samples/NAME/app.c, a function app -> bin/NAME.so
function(perdure_samples)
    file(GLOB all CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/samples/*/*.c")
    set(folders "")
    foreach(source IN LISTS all)
        get_filename_component(folder "${source}" DIRECTORY)
        list(APPEND folders "${folder}")
    endforeach()
    list(REMOVE_DUPLICATES folders)
    foreach(folder IN LISTS folders)
        get_filename_component(name "${folder}" NAME)
        set(sources ${all})
        list(FILTER sources INCLUDE REGEX "/samples/${name}/")
        if(EXISTS "${folder}/app.c")
            add_library(sample_${name} MODULE ${sources})
            set_target_properties(sample_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
                LIBRARY_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
            target_include_directories(sample_${name} PRIVATE "${PROJECT_SOURCE_DIR}/include")
            target_link_libraries(sample_${name} PRIVATE perdure_flags)
            continue()
        endif()
        perdure_program(sample_${name} ${name} ${sources})
    endforeach()
endfunction()

# tests/bench/bench_*.c -> bin/bench_*; the folder's other files are linked into each.
function(perdure_benchmarks)
    file(GLOB programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/bench/bench_*.c")
    file(GLOB shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/bench/*.c")
    if(programs)
        list(REMOVE_ITEM shared ${programs})
    endif()
    if(NOT PERDURE_SERVER)
        list(FILTER programs EXCLUDE REGEX "/bench_grpc[.]c$")
    endif()
    foreach(program IN LISTS programs)
        get_filename_component(name "${program}" NAME_WE)
        add_executable(${name} "${program}" ${shared})
        target_link_libraries(${name} PRIVATE perdure_flags perdure_objects)
        if(name STREQUAL bench_grpc)
            target_link_libraries(${name} PRIVATE perdure_network)
        endif()
        set_target_properties(${name} PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${PERDURE_LTO})
    endforeach()
endfunction()

# One cmocka program; it ends up where its source is, below the build folder.
function(perdure_test target)
    add_executable(${target} ${ARGN})
    list(GET ARGN 0 first)
    get_filename_component(first "${first}" ABSOLUTE)
    get_filename_component(name "${first}" NAME_WE)
    get_filename_component(folder "${first}" DIRECTORY)
    file(RELATIVE_PATH place "${PROJECT_SOURCE_DIR}" "${folder}")
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${place}")
    target_include_directories(${target} PRIVATE "${folder}" "${PROJECT_SOURCE_DIR}/tests")
    target_compile_definitions(${target} PRIVATE PERDURE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} PRIVATE perdure_flags perdure_objects PkgConfig::CMOCKA)
endfunction()

# Every test_*.c of the folder is a test; its other .c files are linked into each of them, and the
# libraries that are named.
function(perdure_test_folder folder)
    if(EXISTS "${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt")
        add_subdirectory("${PROJECT_SOURCE_DIR}/${folder}" "${PROJECT_BINARY_DIR}/${folder}")
        return()
    endif()
    file(GLOB tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/test_*.c")
    file(GLOB shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.c")
    if(tests)
        list(REMOVE_ITEM shared ${tests})
    endif()
    foreach(test IN LISTS tests)
        get_filename_component(name "${test}" NAME_WE)
        string(REPLACE "/" "_" prefix "${folder}")
        perdure_test(${prefix}_${name} "${test}" ${shared})
        target_link_libraries(${prefix}_${name} PRIVATE ${ARGN})
    endforeach()
endfunction()

function(perdure_tests)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
    foreach(room base core json co calendar store author engine api cli)
        perdure_test_folder(tests/unit/${room})
    endforeach()
    perdure_test_folder(tests/unit/wire perdure_descriptors)
    if(PERDURE_CURL)
        perdure_test_folder(tests/unit/fetch perdure_fetch PkgConfig::CURL)
    endif()
    if(PERDURE_SERVER)
        foreach(room net grpc broker server)
            perdure_test_folder(tests/unit/${room} perdure_served)
        endforeach()
        perdure_test_folder(tests/unit/remote perdure_served perdure_remote)
        perdure_test_folder(tests/unit/host perdure_hosted perdure_network)
        if(TARGET tests_unit_remote_test_crashes) # the mutants' copy has the simulation alone
            add_dependencies(tests_unit_remote_test_crashes perdured perdure_module)
        endif()
        perdure_test_folder(tests/server perdure_served)
    endif()
    foreach(kind store api golden sim crash faults http)
        perdure_test_folder(tests/${kind})
    endforeach()
endfunction()
