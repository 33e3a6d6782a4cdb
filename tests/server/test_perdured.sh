#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The process perdured: how it begins, what it refuses, what it keeps when it is killed, how it
# ends, what it tells systemd, and TLS. What its calls do is test_*.c's.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$root/$BUILD ;;
esac
perdured=$BUILD/bin/perdured
[ -x "$perdured" ] || { echo "skipped: there is no $perdured" && exit 77; }
export LC_ALL=C.UTF-8 TZ=UTC
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-perdured-XXXXXX")
pid=
passed=0
failed=0
cleanup() {
    code=$?
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    rm -rf "$work"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1

check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >out.txt 2>&1; then
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        sed 's/^/     | /' out.txt | tail -n 20
        failed=$((failed + 1))
    fi
}

# Starts it with these options, and waits until it is ready: $grpc, $http, $pid.
start() {
    if [ -n "$pid" ]; then # of a check that failed
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    fi
    : >ready.txt
    "$perdured" --store "sqlite:$work/hub.db" --listen 127.0.0.1:0 --http 127.0.0.1:0 "$@" \
        >ready.txt 2>log.txt &
    pid=$!
    for _ in $(seq 200); do
        grep -q '^ready' ready.txt && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    grpc=$(sed -n 's/^ready grpc=\([^ ,]*\).*/\1/p' ready.txt)
    http=$(sed -n 's/.* http=//p' ready.txt)
    [ -n "$grpc" ] || { cat log.txt && return 1; }
}
stop() { # how it ended
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    code=$?
    pid=
    return "$code"
}
code_of() { curl -s -o body.txt -w '%{http_code}' "$@"; }
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'" && return 1; }; }

# ---- options ------------------------------------------------------------------------------------
refuses() { # CODE WORDS OPTION...
    want=$1 words=$2
    shift 2
    timeout 20 "$perdured" "$@" >out 2>err
    got=$?
    if is "$got" "$want" && grep -q -e "$words" err && is "$(wc -l <err)" 1; then
        return 0
    fi
    cat err && return 1
}
check "help lists every setting" sh -c "'$perdured' --help | grep -q -e '--insecure-listen=YES|NO'"
help_defaults() { # each can be given back as it is written
    "$perdured" --help | sed -n 's/^  --\([a-z-]*\)=\(N\|SIZE\|TIME\) .*/\1/p' | sort >limits
    "$perdured" --help |
        sed -n 's/^  --\([a-z-]*\)=\(N\|SIZE\|TIME\) .* \[\(.*\)\]$/--\1=\3/p' | sort >given
    [ "$(wc -l <limits)" -gt 15 ] &&
        cut -d= -f1 given | sed 's/--//' | sort | diff limits - || return 1
    # shellcheck disable=SC2046 # several options
    "$perdured" --check --store=memory: $(cat given) && grep -qx -e '--idle=10m' given &&
        grep -qx -e '--connections-max=20000' given
}
check "help says what holds for every limit" help_defaults
check "a version" sh -c "'$perdured' --version | grep -q '^perdured [0-9]'"
check "an unknown option" refuses 2 "is not an option" --stoer=x
check "a wrong value" refuses 2 "write a time" --drain=soon
check "an address of others" refuses 2 "insecure-listen" --listen=0.0.0.0:0
check "an address without a port" refuses 2 "no address to listen on: write HOST:PORT" \
    --store=memory: --listen=foo
check "an address of this machine without a port" refuses 2 "write HOST:PORT" \
    --store=memory: --http=127.0.0.1
quiet='--listen=127.0.0.1:0 --http='
# shellcheck disable=SC2086 # two options
{
    check "a store without its folder" refuses 1 "the folder of '/nowhere/at/all.db'" \
        --store=sqlite:/nowhere/at/all.db $quiet
    check "a store of another kind" refuses 2 "not the URL of a store" --store=mysql:x $quiet
    check "--check looks at the store's URL" refuses 2 "not the URL" --check --store=mysql:x
    check "tokens that are not there" refuses 1 "No such file" \
        --store=memory: --tokens=nowhere $quiet
}
check "--check of what is right" "$perdured" --check --store=memory:
check "a certificate that is not there" refuses 1 "No such file" \
    --tls-cert=nowhere --tls-key=nowhere --store=memory: $quiet
check "--check of what is not" refuses 1 "No such file" --check --store=memory: --tokens=nowhere
check "--check makes no file" \
    sh -c "'$perdured' --check --store=sqlite:$work/none.db && [ ! -e none.db ]"

at_home() {
    HOME=$work/home XDG_STATE_HOME='' STATE_DIRECTORY='' "$perdured" --listen=127.0.0.1:0 --http= \
        >ready.txt 2>log.txt &
    pid=$!
    for _ in $(seq 200); do
        grep -q '^ready' ready.txt && break
        sleep 0.02
    done
    stop && [ -s home/.local/state/perdure/perdure.db ] && is "$(stat -c %a home/.local/state)" 700
}
check "without options it keeps all at home" at_home

# Of all files of the hub while it runs: their modes, each once.
modes() { # UMASK
    old=$(umask)
    rm -f hub.db*
    umask "$1"
    start
    umask "$old"
    stat -c %a hub.db* | sort -u | tr '\n' ' '
    stop
}
others() { # nobody else, whatever the umask
    modes 0000 >modes.txt && is "$(cat modes.txt)" "600 640 660 "
}
check "what it makes is for its user and, where the umask says so, the group" others
rm -f hub.db*

# ---- begin and end ------------------------------------------------------------------------------
health() {
    start && is "$(code_of "http://$http/readyz")" 200 &&
        is "$(code_of "http://$http/livez")" 200 &&
        is "$(code_of "http://$http/healthz?format=json")" 200 && grep -q '"ready":true' body.txt &&
        is "$(code_of "http://$http/startupz")" 200 &&
        is "$(code_of "http://$http/nothing")" 404 &&
        is "$(code_of -X POST "http://$http/livez")" 405 &&
        is "$(code_of "http://$http/metrics")" 200 && grep -q '^perdure_up 1' body.txt &&
        grep -q '^perdure_workers_connected{hub="default"} 0' body.txt
}
check "health and metrics" health
metrics_are_documented() {
    curl -s "http://$http/metrics" | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort >exposed
    # shellcheck disable=SC2016 # no expansion is meant
    sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' "$root/docs/METRICS.md" |
        grep -v '^perdure_tls_' | sort >documented # which is only there with TLS
    [ -s exposed ] && diff exposed documented || return 1
    # NAME LABEL LABEL; of histograms without what every one has.
    curl -s "http://$http/metrics" | grep -v '^#' | sed 's/ [^ ]*$//' | awk '{
        name = $0
        sub(/[{].*/, "", name)
        sub(/_(bucket|sum|count)$/, "", name)
        labels = ""
        while (match($0, /[{,][a-z]+="([^"\\\\]|\\\\.)*"/)) {
            label = substr($0, RSTART + 1, RLENGTH - 1)
            sub(/=.*/, "", label)
            labels = labels (label == "le" ? "" : " " label)
            $0 = substr($0, RSTART + RLENGTH)
        }
        print name labels
    }' | sort -u >exposed
    # shellcheck disable=SC2016
    sed -n 's/^| `\([a-z_]*\)` |\([^|]*\)|.*/\1\2/p' "$root/docs/METRICS.md" |
        tr -d '`,' | sed 's/  */ /g; s/ $//' | sort >documented
    [ "$(wc -l <exposed)" -ge 25 ] && is "$(comm -23 exposed documented)" ""
}
check "metrics are those that are documented" metrics_are_documented
# shellcheck disable=SC2086
check "another one on the same store is refused, with who has it" \
    refuses 1 "process $pid" --store="sqlite:$work/hub.db" $quiet
check "SIGTERM ends it well" stop
tokens_for_metrics() {
    printf '%s\n' "0123456789abcdef read *" "fedcba9876543210 read default" >tokens
    start --tokens=tokens && is "$(code_of -H 'Authorization: Bearer fedcba9876543210' \
        "http://$http/metrics")" 401 && is "$(code_of "http://$http/metrics")" 401 &&
        is "$(code_of -H 'Authorization: Bearer 0123456789abcdef' "http://$http/metrics")" 200 &&
        is "$(code_of "http://$http/readyz")" 200 && stop
}
check "metrics want a token, health does not" tokens_for_metrics
refused_are_told_of() {
    printf '%s\n' "0123456789abcdef read orders" >tokens
    start --tokens=tokens || return 1
    api=http://$http/runtime/webhooks/durabletask
    is "$(code_of -H 'Authorization: Bearer strange-strange-strange' "$api/instances")" 401 &&
        is "$(code_of -H 'Authorization: Bearer 0123456789abcdef' "$api/instances")" 403 &&
        grep -q "does not allow 'read' in task hub 'default'" body.txt || return 1
    PERDURE_MODULES=$BUILD/lib "$BUILD/bin/perdure" terminate x \
        --hub "grpc://$grpc?token=0123456789abcdef&taskhub=orders" 2>said.txt
    is $? 5 && grep -q "does not allow 'operate' in task hub 'orders'" said.txt &&
        grep -q 'refused why="no token.*" needs=read hub=default method=/instances' log.txt &&
        grep -q 'refused why="its token does not.*" needs=read hub=default' log.txt &&
        grep -q 'needs=operate hub=orders .*peer=127.0.0.1:' log.txt &&
        ! grep -q -e strange -e 0123456789abcdef log.txt && stop
}
check "who is refused is told of in the log, and his token is not" refused_are_told_of
says_what_runs() {
    start --log-format=json && stop &&
        grep -q '"msg":"ready","version":"[0-9.]*","store":"sqlite:.*' log.txt
}
check "the log says what runs, and on which store" says_what_runs
reloads() {
    printf 'log-level = error\n' >conf
    start --config=conf && ! grep -q 'hub opened' log.txt &&
        printf 'log-level = info\ndrain = 3s\nlent-max = 64m\nreaders = 3\nhubs = more\n' >conf &&
        kill -HUP "$pid" || return 1
    for _ in $(seq 100); do grep -q reloaded log.txt && break; sleep 0.02; done
    grep -q reloaded log.txt && is "$(grep -c 'wants another start' log.txt)" 2 &&
        grep -q 'setting=readers' log.txt && grep -q 'setting=hubs' log.txt &&
        printf 'nonsense\n' >conf && kill -HUP "$pid" || return 1
    for _ in $(seq 100); do grep -q 'stays as it was' log.txt && break; sleep 0.02; done
    grep -q 'stays as it was' log.txt && is "$(code_of "http://$http/readyz")" 200 && stop
}
check "SIGHUP reads again, and keeps what was right" reloads

python=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import grpc' 2>/dev/null && python=$candidate && break
done

# ---- systemd ------------------------------------------------------------------------------------
if [ -n "$python" ]; then
    cat >notified.py <<'END'
import os, signal, socket, subprocess, sys, time
gate = socket.socket()
gate.bind(("127.0.0.1", 0))
gate.listen(16)
os.dup2(gate.fileno(), 3) # nothing of ours is there yet
os.set_inheritable(3, True)
notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notes.bind("notes")
notes.settimeout(20)
script = "LISTEN_PID=$$ exec \"$0\" \"$@\""
env = dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notes"), WATCHDOG_USEC="400000",
           LISTEN_FDS="1", LISTEN_FDNAMES="grpc")
command = ["sh", "-c", script, sys.argv[1], "--store=memory:", "--listen=fd:grpc", "--http="]
child = subprocess.Popen(command, env=env, pass_fds=[3], stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready grpc=127.0.0.1:%d\n" % gate.getsockname()[1]
seen = ""
while "WATCHDOG=1" not in seen:
    seen += notes.recv(4096).decode() + "\n"
assert "READY=1" in seen, seen
import grpc
channel = grpc.insecure_channel("127.0.0.1:%d" % gate.getsockname()[1])
channel.unary_unary("/TaskHubSidecarService/Hello")(b"", timeout=10)
channel.close()
child.send_signal(signal.SIGHUP)
while "RELOADING=1" not in seen:
    seen += notes.recv(4096).decode() + "\n"
child.send_signal(signal.SIGTERM)
while "STOPPING=1" not in seen:
    seen += notes.recv(4096).decode() + "\n"
assert child.wait(20) == 0
END
    check "systemd is told, and its socket is used" timeout 60 "$python" notified.py "$perdured"

    # ---- limits that change ---------------------------------------------------------------------
    cat >limited.py <<'END'
import grpc, os, signal, sys, time
address, pid = sys.argv[1], int(sys.argv[2])
def hello(size=0):
    options = [("grpc.use_local_subchannel_pool", 1)] # a connection of its own
    channel = grpc.insecure_channel(address, options)
    try:
        channel.unary_unary("/TaskHubSidecarService/Hello")(bytes([0xa2, 6, size & 127 | 128,
            size >> 7]) + bytes(size) if size else b"", timeout=2)
        return channel, "OK"
    except grpc.RpcError as e:
        channel.close()
        return None, e.code().name
kept, said = hello()
assert said == "OK"
assert hello()[1] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
with open("limits", "w") as f:
    f.write("connections-max = 3\nmessage-max = 4096\n")
os.kill(pid, signal.SIGHUP)
end = time.monotonic() + 10
while "reloaded" not in open("log.txt").read():
    assert time.monotonic() < end
    time.sleep(0.02)
second, said = hello(4000)
assert said == "OK", said
said = hello(4200)[1]
assert said == "RESOURCE_EXHAUSTED", said
END
    limits_change() {
        printf 'connections-max = 1\nmessage-max = 8192\n' >limits
        start --config=limits && "$python" limited.py "$grpc" "$pid" && stop
    }
    check "SIGHUP changes limits" limits_change

    # ---- what it keeps ---------------------------------------------------------------------------
    cat >client.py <<'END'
import grpc, sys, threading
def field(n, b):
    b = b.encode() if isinstance(b, str) else b
    assert len(b) < 128
    return bytes([n << 3 | 2, len(b)]) + b
class Hub:
    def __init__(self, address, credentials=None):
        if credentials:
            self.channel = grpc.secure_channel(address, credentials)
        else:
            self.channel = grpc.insecure_channel(address)
    def ask(self, name, message=b"", timeout=20):
        return self.channel.unary_unary("/TaskHubSidecarService/" + name)(message, timeout=timeout)
    def work(self):
        return self.channel.unary_stream("/TaskHubSidecarService/GetWorkItems")(b"")
    def token(self, item):
        return item[-32:]
    def end(self, item, id, output):
        action = field(6, bytes([8, 1]) + field(2, field(1, output)))
        answer = field(1, id) + field(2, action) + field(4, self.token(item))
        return self.ask("CompleteOrchestratorTask", answer)
END
    cat >before.py <<'END'
import os, signal, sys
from client import *
hub = Hub(sys.argv[1])
work = hub.work()
assert next(work) == b'"\x00'
for i in range(20):
    payload = field(4, field(1, "[%d]" % i))
    hub.ask("StartInstance", field(1, "i%d" % i) + field(2, "flow") + payload)
for i in range(10):
    item = next(work)
    hub.end(item, "i%d" % i, "out%d" % i)
os.kill(int(sys.argv[2]), signal.SIGKILL)
END
    cat >after.py <<'END'
import sys
from client import *
hub = Hub(sys.argv[1])
for i in range(20):
    answer = hub.ask("GetInstance", field(1, "i%d" % i) + bytes([16, 1]))
    assert answer.startswith(b"\x08\x01"), (i, answer)
    assert (b"[%d]" % i) in answer, (i, answer)
    assert ((b"out%d" % i) in answer) == (i < 10), (i, answer)
work = hub.work()
assert next(work) == b'"\x00'
left = set("i%d" % i for i in range(10, 20))
while left:
    item = next(work)
    id = next(i for i in left if field(1, i) in item)
    hub.end(item, id, "late")
    left.remove(id)
for i in range(10, 20):
    answer = hub.ask("WaitForInstanceCompletion", field(1, "i%d" % i) + bytes([16, 1]))
    assert b"late" in answer
END
    kill_it() {
        start || return 1
        "$python" before.py "$grpc" "$pid" || return 1
        wait "$pid" 2>/dev/null
        start && "$python" after.py "$grpc" && stop
    }
    check "kill -9 loses nothing that was answered" kill_it

    # ---- a store that cannot be written to ------------------------------------------------------
    cat >full.py <<'END'
import sys, time
from client import *
hub = Hub(sys.argv[1])
start = lambda i: hub.ask("StartInstance", field(1, "full%d" % i) + field(2, "flow"))
if sys.argv[2] == "refused":
    try:
        start(0)
        sys.exit("it was started")
    except grpc.RpcError as e:
        print(e.code().name)
else:
    start(1)
    item = next(w for w in hub.work() if b"full1" in w)
    hub.end(item, "full1", "late")
END
    waits_for() { # CODE: of /readyz, within ten seconds
        for _ in $(seq 200); do
            [ "$(code_of "http://$http/readyz")" = "$1" ] && return 0
            sleep 0.05
        done
        echo "/readyz is not $1" && cat log.txt && return 1
    }
    metric() { # NAME LABELS: its value
        curl -s "http://$http/metrics" | sed -n "s/^$1{$2} //p"
    }
    fills_up() {
        rm -f hub.db*
        start && waits_for 200 && is "$(metric perdure_store_errors_total 'hub="default"')" 0 &&
            prlimit --pid "$pid" --fsize=4096: &&
            is "$("$python" full.py "$grpc" refused)" UNAVAILABLE && waits_for 503 &&
            grep -q 'store' body.txt && is "$(code_of "http://$http/livez")" 200 &&
            [ "$(metric perdure_store_errors_total 'hub="default"')" -gt 0 ] &&
            prlimit --pid "$pid" --fsize=unlimited: && waits_for 200 &&
            "$python" full.py "$grpc" taken
    }
    trap '' XFSZ # so that a file that may not grow is an error, and not the end
    check "a store that is full makes it not ready, until there is room" fills_up
    counts() {
        is "$(metric perdure_instances_finished_total 'hub="default",status="Completed"')" 1 &&
            [ "$(metric perdure_turn_duration_seconds_count 'hub="default",kind="turn"')" -eq 1 ] &&
            [ "$(metric perdure_activity_duration_seconds_count 'hub="default"')" -eq 0 ] &&
            [ "$(metric perdure_store_commit_duration_seconds_count 'hub="default"')" -ge 2 ] &&
            is "$(metric perdure_store_size_bytes 'hub="default"')" "$(stat -c %s hub.db)" &&
            is "$(metric perdure_store_wal_bytes 'hub="default"')" "$(stat -c %s hub.db-wal)" ||
            return 1
        for _ in $(seq 300); do # it is counted again after five seconds
            [ "$(metric perdure_instances 'hub="default",status="Completed"')" = 1 ] && break
            sleep 0.05
        done
        is "$(metric perdure_instances 'hub="default",status="Completed"')" 1 &&
            is "$(metric perdure_instances 'hub="default",status="Pending"')" 0 && stop
    }
    check "metrics count instances, turns, commits and bytes" counts

    # ---- TLS -------------------------------------------------------------------------------------
    new_key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    certificate() { # NAME SUBJECT
        # shellcheck disable=SC2086 # several options
        openssl req $new_key -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>/dev/null &&
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >ext &&
            openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile ext -out "$1.pem" 2>/dev/null
    }
    # shellcheck disable=SC2086
    openssl req -x509 $new_key -keyout ca.key -out ca.pem -subj /CN=ca -days 2 2>/dev/null
    certificate server localhost
    certificate alice alice
    certificate bob bob
    cat >secure.py <<'END'
import sys
from client import *
read = lambda name: open(name, "rb").read()
who = sys.argv[2] if len(sys.argv) > 2 else None
mine = [read(who + ".key"), read(who + ".pem")] if who else []
credentials = grpc.ssl_channel_credentials(read("ca.pem"), *mine)
hub = Hub(sys.argv[1], credentials)
try:
    hub.ask("Hello", timeout=5)
    print("OK")
except grpc.RpcError as e:
    print(e.code().name)
END
    cat >clear.py <<'END'
import sys
from client import *
Hub(sys.argv[1]).ask("Hello", timeout=2)
END
    tls() {
        start --tls-cert=server.pem --tls-key=server.key &&
            is "$("$python" secure.py "$grpc")" OK &&
            is "$(code_of --cacert ca.pem "https://$http/readyz")" 200 &&
            ! "$python" clear.py "$grpc" 2>/dev/null && stop
    }
    check "with TLS nobody comes in without" tls
    openssl pkey -in server.key -aes256 -passout pass:secret -out locked.key
    # shellcheck disable=SC2086
    check "nobody is asked for the pass phrase of a key" refuses 1 "has a pass phrase" \
        --tls-cert=server.pem --tls-key=locked.key --store=memory: $quiet
    # A server that cannot be trusted is no server that is away: said at once, and why.
    distrusted() {
        start --tls-cert=server.pem --tls-key=server.key || return 1
        PERDURE_MODULES=$BUILD/lib timeout 20 "$BUILD/bin/perdure" --hub "grpcs://$grpc" list \
            >distrusted.txt 2>&1
        is $? 6 && grep -q 'certificate verify failed' distrusted.txt &&
            ! grep -q 'no server answers' distrusted.txt && stop
    }
    check "a client says that it does not trust the certificate" distrusted
    mutual() {
        echo "subject:alice read *" >tokens
        start --tls-cert=server.pem --tls-key=server.key --tls-client-ca=ca.pem --tokens=tokens &&
            is "$("$python" secure.py "$grpc" alice)" OK &&
            is "$("$python" secure.py "$grpc" bob)" UNAUTHENTICATED &&
            is "$("$python" secure.py "$grpc")" UNAVAILABLE && stop
    }
    check "certificates of clients are asked for, and have names" mutual
    serial() {
        openssl s_client -connect "$grpc" -alpn h2 </dev/null 2>/dev/null |
            openssl x509 -noout -serial
    }
    rotates() {
        start --tls-cert=server.pem --tls-key=server.key || return 1
        old=$(serial)
        certificate server localhost && kill -HUP "$pid"
        for _ in $(seq 100); do grep -q reloaded log.txt && break; sleep 0.02; done
        new=$(serial)
        [ -n "$new" ] && [ "$old" != "$new" ] || return 1
        echo broken >server.pem && kill -HUP "$pid"
        for _ in $(seq 100); do grep -q 'but for what' log.txt && break; sleep 0.02; done
        grep -q 'certificates stay' log.txt && grep -q 'reloaded, but for what' log.txt &&
            is "$(serial)" "$new" && stop
    }
    check "certificates are read again, and wrong ones are not" rotates
    rm server.pem && certificate server localhost
    logs() { # WORDS: within two seconds
        for _ in $(seq 100); do grep -q -e "$1" log.txt && return 0; sleep 0.02; done
        cat log.txt && return 1
    }
    lasting() { # NAME BEGIN END
        mkdir -p issued && : >issued/index.txt &&
            printf '%s\n' '[ca]' default_ca=c '[c]' new_certs_dir=issued \
                database=issued/index.txt serial=issued/serial default_md=sha256 policy=p \
                '[p]' commonName=supplied >ca.conf &&
                openssl ca -batch -rand_serial -config ca.conf -cert ca.pem -keyfile ca.key \
                -in server.csr -out "$1" -startdate "$2" -enddate "$3" -notext 2>/dev/null
    }
    ages() {
        lasting over.pem 20200101000000Z 20210101000000Z &&
            lasting early.pem 20980101000000Z 20990101000000Z &&
            start --tls-cert=over.pem --tls-key=server.key &&
            logs 'warn .*the certificate has ended.*file=over.pem.*until=2021-01-01' &&
            [ "$(grep -c 'certificate' log.txt)" -eq 1 ] && cp early.pem over.pem &&
            kill -HUP "$pid" && logs 'does not hold yet.*from=2098-01-01' &&
            cp server.pem over.pem && kill -HUP "$pid" && logs 'reloaded.*' && sleep 0.1 &&
            ! grep -q 'ends soon' log.txt && stop
    }
    check "a certificate that does not hold is said to" ages
    soon() { # a life of ten years, of which days are left
        lasting soon.pem 20170101000000Z "$(date -u -d '20 days' +%Y%m%d%H%M%SZ)" &&
            start --tls-cert=soon.pem --tls-key=server.key && logs 'the certificate ends soon' &&
            stop && lasting soon.pem 20170101000000Z "$(date -u -d '22 days' +%Y%m%d%H%M%SZ)" &&
            start --tls-cert=soon.pem --tls-key=server.key && stop &&
            ! grep -q 'certificate' log.txt
    }
    check "one that ends within three weeks is said to" soon
    turns() { # while the server runs
        lasting short.pem 20200101000000Z "$(date -u -d '3 seconds' +%Y%m%d%H%M%SZ)" &&
            WATCHDOG_USEC=200000 start --tls-cert=short.pem --tls-key=server.key || return 1
        sleep 2
        logs 'the certificate has ended' && logs 'the certificate ends soon' &&
            [ "$(grep -c 'certificate' log.txt)" -eq 2 ] && stop
    }
    check "one that ends meanwhile is said to, once" turns
    moved() {
        cp server.pem mine.pem && certificate other localhost && cp server.key mine.key &&
            WATCHDOG_USEC=200000 start --tls-cert=mine.pem --tls-key=mine.key || return 1
        old=$(serial)
        touch -d 2001-01-01 other.key other.pem && mv other.key mine.key && mv other.pem mine.pem
        for _ in $(seq 100); do [ "$(serial)" != "$old" ] && break; sleep 0.05; done
        [ "$(serial)" != "$old" ] && [ -n "$(serial)" ] && stop
    }
    check "a certificate with an older time is seen without a signal" moved
    public() {
        start --listen=0.0.0.0:0 \
            --tls-cert=server.pem --tls-key=server.key --tls-client-ca=ca.pem &&
            is "$("$python" secure.py "127.0.0.1:${grpc##*:}" alice)" OK && stop
    }
    check "an address of others, with both" public
else
    echo "skipped: systemd, kill -9 and TLS want python3-grpcio"
fi

# ---- how small ----------------------------------------------------------------------------------
# 10 MB where it is built to be shipped; checks of debug builds and pages of unoptimised code are
# some more, and sanitizers are not measured. How soon it is ready is tests/bench/ready.sh's.
small() {
    case $(sed -n 's/^CMAKE_BUILD_TYPE:[^=]*=//p' "$BUILD/CMakeCache.txt") in
    Rel* | MinSizeRel) bound=10000 ;;
    *) bound=12000 ;;
    esac
    rm -f hub.db*
    start && is "$(code_of "http://$http/readyz")" 200 || return 1
    sleep 0.2
    kb=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
    stop
    [ -n "$kb" ] && echo "$kb KiB; at most $((bound * 1000 / 1024))" &&
        [ "$kb" -lt $((bound * 1000 / 1024)) ]
}
case $BUILD in
*san*) echo "skipped: memory, with sanitizers" ;;
*) check "idle it takes less than 10 MB" small ;;
esac

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
