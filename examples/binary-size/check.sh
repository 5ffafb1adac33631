#!/bin/sh
# Numbers in Roman, against those that everybody knows.
set -e
sh build.sh > /dev/null
test "$(./roman 4 9 14 40 90 400 1994 2026 3999)" = "IV
IX
XIV
XL
XC
CD
MCMXCIV
MMXXVI
MMMCMXCIX"
