#!/bin/sh
# The same study on the machines that ClusterShell's clush reaches; what stands behind the nodes goes to `copycost run`:
#   ./clush.sh node[1-8] --preset default
# Called again it goes on with runs that were interrupted, and measures those that are not there. Runs lie on each machine's own disk
# and are fetched to ./copycost-runs.
set -u
nodes=$1
shift

# Each machine puts in its own name. None of them reads what clush would read.
clush -b -S -w "$nodes" "copycost run --quiet --or-resume --label \"\$(hostname)\" --out \"copycost-fleet/clush-\$(hostname)\" $* </dev/null"
status=$?

# Each machine's directory arrives as copycost-runs/copycost-fleet.MACHINE.
mkdir -p copycost-runs
clush -w "$nodes" --rcopy copycost-fleet --dest copycost-runs/
copycost table copycost-runs >all.csv
exit "$status"
