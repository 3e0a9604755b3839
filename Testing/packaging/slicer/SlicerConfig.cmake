# What the extension's CMakeLists.txt files ask of Slicer, as far as files are concerned: lets CMake make the
# tree of the package without a build of Slicer. Like Slicer's own macro it refuses a listed file that is not
# there, copies what is listed and nothing else, and puts a module WITH_SUBDIR into a folder of its own name.
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/Nothing.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/Nothing.cmake")
