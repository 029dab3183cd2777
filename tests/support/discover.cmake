# Read by ctest itself, before it runs anything: one entry for each TEST_CASE of a test program.
# Catch2's own module does the same, but goes astray at names with a semicolon or a lone bracket.
function(reeve_discover folder program arguments timeout)
    if(NOT EXISTS "${program}")
        add_test("${folder}: the test program is not built" "${program}")
        return()
    endif()
    # The first is 2.x's way (it exits with the number of tests), the second 3.x's.
    execute_process(COMMAND "${program}" --list-test-names-only
        OUTPUT_VARIABLE names RESULT_VARIABLE result ERROR_QUIET)
    if(names STREQUAL "")
        execute_process(COMMAND "${program}" --list-tests --verbosity quiet
            OUTPUT_VARIABLE names RESULT_VARIABLE result ERROR_QUIET)
    endif()
    if(names STREQUAL "")
        add_test("${folder}: the test program lists its tests" "${program}" --list-tests)
        return()
    endif()

    # By hand instead of foreach(): a name may hold what means something in a CMake list.
    while(NOT names STREQUAL "")
        string(FIND "${names}" "\n" end)
        if(end EQUAL -1)
            set(name "${names}")
            set(names "")
        else()
            string(SUBSTRING "${names}" 0 ${end} name)
            math(EXPR next "${end} + 1")
            string(SUBSTRING "${names}" ${next} -1 names)
        endif()
        if(name STREQUAL "")
            continue()
        endif()
        # Means something in a test specification: a tag, an alternative, a wildcard, a negation.
        string(REGEX REPLACE "([][\\\\,\"*~])" "\\\\\\1" specification "${name}")
        if(specification MATCHES "^-")
            string(PREPEND specification "\\")  # or it would be an option
        endif()
        add_test("${folder}: ${name}" "${program}" "${specification}" ${arguments})
        set_tests_properties("${folder}: ${name}" PROPERTIES
            TIMEOUT ${timeout} LABELS "${folder}" SKIP_REGULAR_EXPRESSION "reeve test skipped:")
    endwhile()
endfunction()
