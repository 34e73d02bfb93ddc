# The programs run with privileges and read what attackers send.
# Position-independent programs wherever that is not the compiler's own way.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
if(NOT LVSNAT_SANITIZE)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  add_link_options(LINKER:-z,relro,-z,now,-z,noexecstack)
endif()
if(LVSNAT_ASSERTIONS)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
