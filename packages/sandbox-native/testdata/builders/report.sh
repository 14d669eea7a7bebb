# What a builder sees of its process, one fact a line.
echo "ids=$(id -u):$(id -g):$(id -Gn)"
echo "pid=$$"
echo "cwd=$(pwd)"
echo "umask=$(umask)"
echo "core=$(ulimit -c)"
echo "host=$(cat /proc/sys/kernel/hostname) $(cat /proc/sys/kernel/domainname)"
echo "interfaces=$(echo $(sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev))"
echo "loopback=$(grep -c 127.0.0.1 /proc/net/fib_trie)"
echo "stdin=$(cat)"
echo "tty=$( (: < /dev/tty) 2>&1 | sed 's/.*: //')"
sed -n 's/^\(CapInh\|CapPrm\|CapEff\|CapAmb\|NoNewPrivs\|Seccomp\|SigBlk\|SigIgn\|Groups\):[[:space:]]*/\1=/p' /proc/self/status
