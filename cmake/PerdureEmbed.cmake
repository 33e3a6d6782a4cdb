# SPDX-License-Identifier: MIT
#
# A file as C:
#   cmake -DIN=FILE -DOUT=FILE.c -DSYMBOL=NAME -DHEADER=WHICH/DECLARES.h -P PerdureEmbed.cmake
# IN empty: the symbol is the absent text.
set(code "#include \"${HEADER}\"\n\n")
if(IN)
    file(READ "${IN}" hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${hex}")
    string(APPEND code "static const unsigned char bytes[] = {\n${bytes}\n};\n")
    string(APPEND code "const struct text ${SYMBOL} = { (const char *)bytes, sizeof bytes };\n")
else()
    string(APPEND code "const struct text ${SYMBOL} = { NULL, 0 };\n")
endif()
file(WRITE "${OUT}" "${code}")
