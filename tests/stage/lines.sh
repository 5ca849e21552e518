#!/bin/sh
# Prints lines of made-up text, always the same: lines.sh COUNT LINES_AT_ONCE SECONDS_BETWEEN (0: as fast as it can).
count=$1 step=$2 pause=$3
awk -v count="$count" -v step="$step" -v pause="$pause" 'BEGIN {
  srand(7); letters = "eeeettaaooiinnsshrdlucmfwypvbgkjqxz"
  for (line = 1; line <= count; line++) {
    text = sprintf("%06d  ", line); words = 8 + int(rand() * 14)
    for (w = 0; w < words; w++) { n = 2 + int(rand() * 8); for (i = 0; i < n; i++) text = text substr(letters, 1 + int(rand() * 35), 1); text = text (rand() < 0.1 ? "; " : " ") }
    if (line % 9 == 0) text = "\033[3" int(1 + rand() * 6) "m" text "\033[0m"
    print text
    if (pause > 0 && line % step == 0) { fflush(); system("sleep " pause) }
  }
}'
