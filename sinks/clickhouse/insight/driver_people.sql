-- About how many people answered the target. `driver_answers`: the file.
SELECT uniqIf((known, person), target) AS people FROM ({driver_answers})
