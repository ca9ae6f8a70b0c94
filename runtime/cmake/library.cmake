# The C library, shared and static, from the objects of leaf_core, and what programs find it by:
# headers, a CMake package and pkg-config files. Components: runtime, dev, tools.
set(CMAKE_INSTALL_DOCDIR share/doc/leaf-edge CACHE PATH "Folder of the documentation")
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Visibility hides the project's symbols; the version script hides what the standard library's templates
# leave in the objects as well, and gives the symbols a version for the dynamic linker.
set(LEAF_VERSION_SCRIPT ${CMAKE_CURRENT_BINARY_DIR}/leaf_edge.map)
file(CONFIGURE OUTPUT ${LEAF_VERSION_SCRIPT} CONTENT "LEAF_EDGE_@LEAF_API_MAJOR@ {
  global: leaf_*;
  local: *;
};
" @ONLY)

# Never unloaded (nodelete): engines' libraries stay and know functions of this one, for their messages. In a
# plugin the static library asks the same of what it is linked into; of a program it is nothing.
add_library(leaf_edge SHARED $<TARGET_OBJECTS:leaf_core>)
set_target_properties(leaf_edge PROPERTIES
  VERSION ${LEAF_API_MAJOR}.${LEAF_API_MINOR} SOVERSION ${LEAF_API_MAJOR}
  LINK_DEPENDS ${LEAF_VERSION_SCRIPT})
target_link_options(leaf_edge PRIVATE -Wl,--version-script=${LEAF_VERSION_SCRIPT} -Wl,--gc-sections -Wl,-z,nodelete)

add_library(leaf_edge_static STATIC $<TARGET_OBJECTS:leaf_core>)
set_target_properties(leaf_edge_static PROPERTIES OUTPUT_NAME leaf_edge)

foreach(library leaf_edge leaf_edge_static)
  add_library(LeafEdge::${library} ALIAS ${library})
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
target_link_libraries(leaf_edge PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
target_link_libraries(leaf_edge_static INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(leaf_edge_static INTERFACE -Wl,-z,nodelete)

install(TARGETS leaf_edge EXPORT LeafEdgeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev)
install(TARGETS leaf_edge_static EXPORT LeafEdgeTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(DIRECTORY include/leaf_edge DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
  FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/docs/embedding.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

# find_package(LeafEdge): the version is the project's; the same major and minor number are wanted of 0.x,
# where the minor one is the one that breaks.
set(LEAF_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/LeafEdge)
string(TOUPPER "${CMAKE_BUILD_TYPE}" LEAF_BUILD_TYPE_UPPER)
configure_package_config_file(cmake/LeafEdgeConfig.cmake.in LeafEdgeConfig.cmake
  INSTALL_DESTINATION ${LEAF_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(LeafEdgeConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/LeafEdgeConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/LeafEdgeConfigVersion.cmake
  DESTINATION ${LEAF_CMAKE_DIR} COMPONENT dev)
install(EXPORT LeafEdgeTargets NAMESPACE LeafEdge:: DESTINATION ${LEAF_CMAKE_DIR} COMPONENT dev)

# pkg-config: leaf_edge, and leaf_edge_static for a program that carries the library in itself. Their prefix
# is reckoned from where the file lies.
file(RELATIVE_PATH LEAF_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" LEAF_PC_PREFIX "${LEAF_PC_PREFIX}")
set(LEAF_PC_LIBRARIES "-lstdc++ -lm -pthread -ldl -Wl,-z,nodelete")
set(LEAF_PC_LINK "-L\${libdir} -lleaf_edge")
set(LEAF_PC_KIND "shared")
configure_file(cmake/leaf_edge.pc.in leaf_edge.pc @ONLY)
set(LEAF_PC_LINK "\${libdir}/libleaf_edge.a ${LEAF_PC_LIBRARIES}")
set(LEAF_PC_KIND "static")
configure_file(cmake/leaf_edge.pc.in leaf_edge_static.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/leaf_edge.pc ${CMAKE_CURRENT_BINARY_DIR}/leaf_edge_static.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

foreach(folder tools bench)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endforeach()

# `cmake --build . --target core_size` prints the size; ctest fails where it is above the limit.
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/core_objects.txt
  CONTENT "$<JOIN:$<TARGET_OBJECTS:leaf_core>,\n>\n")
set(LEAF_CORE_SIZE ${CMAKE_COMMAND} -DOBJECTS=${CMAKE_CURRENT_BINARY_DIR}/core_objects.txt
  -DFOLDER=${CMAKE_CURRENT_BINARY_DIR}/core_size -DSTRIP=${CMAKE_STRIP} -DAR=${CMAKE_AR} -DLIMIT=500000
  -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/core_size.cmake)
add_custom_target(core_size COMMAND ${LEAF_CORE_SIZE} DEPENDS leaf_core VERBATIM)
if(LEAF_TESTS AND NOT LEAF_SANITIZERS)
  add_test(NAME core_size COMMAND ${LEAF_CORE_SIZE})
endif()
