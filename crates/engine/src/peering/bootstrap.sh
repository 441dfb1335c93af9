# What runs at the peer before copycost does: it is told apart from other builds, or copied into a file that has no name any
# more when its first byte comes, so that nothing is left of it however this ends.
say() { echo "copycost: $*"; }
say system $(uname -sm)
say reached $SSH_CONNECTION
p=$(command -v copycost 2>/dev/null)
s=
case $p in /*) s=$(sha256sum <"$p" 2>/dev/null) ;; esac
say found ${s%% *}
read -r word size sum || exit 0
case $word in
use) exec "$p" peer ;;
copy) ;;
*) exit 0 ;;
esac
t=
trap "rm -rf \"\$t\"; exit 1" HUP INT TERM PIPE
why=
place=
for d in "${TMPDIR:-/tmp}" /dev/shm /var/tmp "$HOME"; do
t=$(mktemp -d "$d/copycost.XXXXXX" 2>/dev/null) || { why="$why $d cannot be written to,"; continue; }
f=$t/copycost
if echo "#!/bin/sh" 2>/dev/null >"$t/try" && head -c "$size" /dev/zero 2>/dev/null >"$f"; then
chmod 700 "$t/try" "$f"
if "$t/try" 2>/dev/null; then
exec 3<>"$f" 4<"$f"
place=$d
else why="$why $d may hold no programs (noexec),"
fi
else why="$why $d has no room,"
fi
rm -rf "$t"
if [ "$place" ]; then break; fi
done
t=
if [ -z "$place" ]; then say no ${why%,}; exit 0; fi
say ready
head -c "$size" >&3 || { say no $place has no room; exit 0; }
exec 3>&-
s=$(sha256sum <&4 2>/dev/null)
s=${s%% *}
case $s in
"" | "$sum") say copied ;;
*) say no the copy is damaged; exit 0 ;;
esac
exec /proc/self/fd/4 peer
