# The three parts of the product: programs, shared libraries, and what a program of someone else's needs to build on them.
include(CMakePackageConfigHelpers)

set(LVSNAT_PROGRAMS lvsdiag lvstrace lvstop)
foreach(program IN LISTS LVSNAT_PROGRAMS)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/tools/${program}/${program}.bash)
    install(FILES tools/${program}/${program}.bash RENAME ${program}
      DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  endif()
endforeach()

# Whatever lies in lib/include is public by being there; a list here could only disagree with the folder.
file(GLOB LVSNAT_PUBLIC_HEADERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/include/lvsnat/*.h)
target_sources(lvsnat PUBLIC FILE_SET api TYPE HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/lib/include FILES ${LVSNAT_PUBLIC_HEADERS})

install(TARGETS lvsnat lvsnat_capture EXPORT lvsnat-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET api DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lvsnat)
install(EXPORT lvsnat-targets NAMESPACE lvsnat:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lvsnat-config.cmake.in ${PROJECT_BINARY_DIR}/lvsnat-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lvsnat-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lvsnat-config.cmake ${PROJECT_BINARY_DIR}/lvsnat-config-version.cmake
  DESTINATION ${package_dir})

# A prefix written down at configure time would be wrong after `cmake --install --prefix` or a move of the tree:
# pkg-config works it out from where the file lies.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(pkgconfig_from ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH LVSNAT_PC_prefix ${pkgconfig_from} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH LVSNAT_PC_libdir ${pkgconfig_from} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH LVSNAT_PC_includedir ${pkgconfig_from} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
foreach(package lvsnat lvsnat-capture)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${pkgconfig_dir})
endforeach()

install(FILES docs/findings.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/lvsnat)
install(FILES README.md CHANGELOG.md SECURITY.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "man" EXCLUDE)
foreach(section 1 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
  if(pages)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()
