# LVSNAT_SANITIZE=address,undefined or thread; the whole tree is built with them, tests too.
if(LVSNAT_SANITIZE)
  add_compile_options(-fsanitize=${LVSNAT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LVSNAT_SANITIZE})
  # lvstrace loads the capture library when it needs it: the check of dynamic types would want its type information linked in.
  if(LVSNAT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
# Harnesses link libFuzzer themselves; the library only needs its coverage counters.
if(LVSNAT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "LVSNAT_FUZZ needs clang: cmake --preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
