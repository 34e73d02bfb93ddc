# Every tests/rules/LVS*.md is a set of scenarios with the findings that they must and must not bring. They are parsed
# and built always; they are judged as soon as the tree has an analyzer.
file(GLOB LVSNAT_FIXTURES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/rules/*.md)
lvsnat_test(fixtures_test SOURCES rules/fixtures_test.cc LIBRARIES lvsnat_scenario)
# A changed fixture relinks the program, and with that its tests are listed anew.
set_property(TARGET fixtures_test APPEND PROPERTY LINK_DEPENDS ${LVSNAT_FIXTURES})
file(GLOB_RECURSE LVSNAT_ANALYZER_SOURCE CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/*/analyzer.cc)
if(LVSNAT_ANALYZER_SOURCE)
  target_compile_definitions(fixtures_test PRIVATE LVSNAT_HAVE_ANALYZER=1)
endif()
