#!/bin/sh
# The same study on machines that ssh reaches and that share a disk, by GNU parallel; what stands behind the list goes to `copycost run`:
#   ./parallel.sh node1,node2,node3 --preset default
# Called again it goes on with runs that were interrupted, and measures those that are not there.
set -u
nodes=$1
shift

# One command on each machine, in the directory in which this was called. Expanded there, not here.
# shellcheck disable=SC2016
parallel --nonall --tag --workdir . -S "$nodes" \
    'copycost run --quiet --or-resume --label "$(hostname)" --out "copycost-runs/parallel-$(hostname)"' "$*" '</dev/null'
status=$?

copycost table copycost-runs >all.csv
exit "$status"
