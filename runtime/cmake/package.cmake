# `cpack -G TGZ` or `cpack -G DEB` in the build folder; `make package` makes both, the latter with Debian's
# folders. Packages: the shared library, what a program is built with, the tools.
set(CPACK_PACKAGE_NAME leaf-edge)
set(CPACK_PACKAGE_VENDOR "LEAF-Edge")
set(CPACK_PACKAGE_CONTACT "LEAF-Edge maintainers <leaf-edge@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR TGZ)
set(CPACK_COMPONENTS_ALL runtime dev)
if(LEAF_HAS_TOOLS)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()

# One archive of everything, named by the processor it runs on.
set(CPACK_PACKAGE_FILE_NAME "leaf-edge-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "${PROJECT_HOMEPAGE_URL}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
endif()

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libleaf-edge${LEAF_API_MAJOR})
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libleaf-edge-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME leaf-edge-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"${PROJECT_DESCRIPTION}: the shared library
Scores camera frames for quality, with an interval and the fault that explains a low score, and gates
the stream. ONNX Runtime or TensorRT, which run the network, are loaded at run time and not included.")
set(CPACK_COMPONENT_DEV_DESCRIPTION
"${PROJECT_DESCRIPTION}: headers and the static library
What a program in C or C++ is built with, for CMake and for pkg-config, and an example.")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
"${PROJECT_DESCRIPTION}: leaf-score and leaf-info
Scores y4m, raw and image streams from the command line, and shows what a model bundle holds.")

# Dependencies on the C and C++ libraries come from dpkg-shlibdeps, which a cross build cannot ask.
find_program(LEAF_SHLIBDEPS dpkg-shlibdeps)
set(LEAF_EXACT "(= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libleaf-edge${LEAF_API_MAJOR} ${LEAF_EXACT}")
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "libleaf-edge${LEAF_API_MAJOR} ${LEAF_EXACT}")
if(LEAF_SHLIBDEPS AND NOT CMAKE_CROSSCOMPILING)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/runtime)
  set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
else()
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libc6, libstdc++6, libgcc-s1")
endif()
include(CPack)
