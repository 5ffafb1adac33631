#!/bin/sh
# Builds the program and prints its size.
set -e
${CC:-cc} $(cat flags.txt) -o roman main.c
strip roman
echo "bytes: $(wc -c < roman)"
