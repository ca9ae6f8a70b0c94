# Cross-compiles for 64-bit Arm Linux with Debian's g++-aarch64-linux-gnu; ctest runs the programs
# under qemu-user-static where that is installed.
#   cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=runtime/cmake/aarch64-linux-gnu.cmake -DLEAF_TESTS=ON
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
find_program(LEAF_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(LEAF_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${LEAF_QEMU} -L /usr/aarch64-linux-gnu)
endif()
