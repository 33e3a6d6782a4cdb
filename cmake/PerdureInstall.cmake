# SPDX-License-Identifier: MIT
#
# cmake --install: headers, libraries, the command, the server with its unit and its module,
# perdure.pc and the CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS perdure perdure_static EXPORT perdure-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET perdure_cli)
    install(TARGETS perdure_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

if(TARGET perdured)
    install(TARGETS perdured RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    # The unit names the program, and where that is, --prefix decides: so it is made by the install.
    install(CODE "
        get_filename_component(PERDURED
            \"${CMAKE_INSTALL_BINDIR}/perdured\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
        configure_file(\"${PROJECT_SOURCE_DIR}/cmake/perdured.service.in\"
            \"${PROJECT_BINARY_DIR}/perdured.service\" @ONLY)")
    install(FILES "${PROJECT_BINARY_DIR}/perdured.service" DESTINATION lib/systemd/system)
endif()
if(TARGET perdure_host)
    install(TARGETS perdure_host RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TARGET perdure_http)
    install(TARGETS perdure_http LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/perdure")
endif()
if(TARGET perdure_module)
    install(TARGETS perdure_module LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/perdure")
endif()

# Paths in these files are relative to the files, so that --prefix and DESTDIR both just work.
file(RELATIVE_PATH PERDURE_PC_PREFIX "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" PERDURE_PC_PREFIX "${PERDURE_PC_PREFIX}")
configure_file(cmake/perdure.pc.in perdure.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/perdure.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/perdure")
install(EXPORT perdure-targets NAMESPACE perdure:: DESTINATION "${package}")
configure_package_config_file(cmake/perdure-config.cmake.in
    "${PROJECT_BINARY_DIR}/perdure-config.cmake" INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/perdure-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/perdure-config.cmake"
    "${PROJECT_BINARY_DIR}/perdure-config-version.cmake" DESTINATION "${package}")
