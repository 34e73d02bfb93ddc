# Warnings live in an interface target: presets that replace CMAKE_CXX_FLAGS cannot lose them.
add_library(lvsnat_warnings INTERFACE)
target_compile_options(lvsnat_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Wcast-align -Woverloaded-virtual -Wdouble-promotion -Wimplicit-fallthrough)
if(LVSNAT_WERROR)
  target_compile_options(lvsnat_warnings INTERFACE -Werror)
endif()
