# LVSNAT_SANITIZE=address,undefined or thread; the whole tree is built with them, tests too.
if(LVSNAT_SANITIZE)
  add_compile_options(-fsanitize=${LVSNAT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LVSNAT_SANITIZE})
endif()
