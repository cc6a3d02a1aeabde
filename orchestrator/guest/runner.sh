#!/bin/sh
# Runs one script in a guest, once per name and sequence number. POSIX sh, for busybox, dash and bash alike;
# needs /proc. guest/script.py sends it, without these comments, into the folder of its area (extensions and run
# commands have one each), and starts it as
#
#   sh runner.sh front        with the request on standard input; prints a report when the run has ended
#   sh runner.sh cancel       with name, sequence number and the reason on standard input; ends the run, then reports
#
# which starts, in sessions of their own so that they outlive the SSH connection,
#
#   sh runner.sh work         holds the time limit, writes down the result
#   sh runner.sh job          waits for cloud-init to end, fetches the files, then runs the command
#
# What is kept, per extension and sequence number, in state/NAME.SEQUENCE/:
#   run                the token of the run; a request with another one ends what is there and begins anew
#   attempt.N/worker   who works on it: process id, its start time, and this boot's id
#   started            the command may have begun; from here on it is never begun again
#   cancel             why it is to be ended
#   failed             why the files could not be fetched
#   result             exit code (or '-') and a sentence; it is there when all is over
# The command's own bytes are only ever in a file without a name, in memory.

set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
base=${0%/*}
tail_bytes=4096
tries=7
grace_s=2
again=75
tidy_days=1
cr=$(printf '\r')
bom=$(printf '\357\273\277')

# The name of a new file in memory: a crash of the guest leaves nothing of it.
new_stage() {
    ram=$base
    while read -r _ where kind _; do
        case "$where $kind" in
        '/dev/shm tmpfs' | '/run tmpfs' | '/dev tmpfs' | '/dev devtmpfs') [ -w "$where" ] && ram=$where ;;
        esac
    done </proc/mounts
    mktemp "$ram/.vmss.XXXXXX"
}

size_of() {
    if [ -f "$1" ]; then wc -c <"$1"; else echo 0; fi
}

read_request() {
    IFS= read -r name && IFS= read -r sequence && IFS= read -r run && IFS= read -r limit_s &&
        IFS= read -r wait_s && IFS= read -r is_converting && IFS= read -r user && IFS= read -r is_appending &&
        IFS= read -r interpreter && IFS= read -r argument && IFS= read -r files
    locate
}

locate() {
    state=$base/state/$name.$sequence
    dir=$base/download/$name/$sequence
}

is_this_run() {
    [ "$(cat "$state/run" 2>/dev/null)" = "$run" ]
}

# When a process began, in clock ticks: with the boot id this tells it from a later one of the same number.
start_of() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    # The dead but not yet buried do not count.
    [ "$1" != Z ] && shift 19 && echo "$1"
}

is_worker_alive() {
    patience=10
    until [ -f "$1/worker" ]; do
        [ "$patience" -gt 0 ] || return 1
        patience=$((patience - 1))
        sleep 1
    done
    read -r pid start boot <"$1/worker"
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$start" = "$(start_of "$pid")" ]
}

# A crash before it is on disk may leave it empty, which counts as none.
finish() {
    printf '%s\n%s\n' "$1" "$2" >"$state/result.$$"
    mv -f "$state/result.$$" "$state/result"
    sync
}

has_result() {
    [ -s "$state/result" ]
}

### front: decide whether to begin, wait, report

front() {
    IFS= read -r size
    stage=$(new_stage) && exec 5<>"$stage" && rm -f "$stage" && cat >&5 || exit 1
    request=/proc/$$/fd/5
    if [ "$(size_of "$request")" -ne "$size" ]; then
        echo 'the request was cut off on its way' >&2
        exit 1
    fi
    read_request <"$request" || exit 1
    was_run_before=yes
    tidy
    is_this_run || make_room
    mkdir -p "$state" || exit 1
    until has_result && is_this_run; do attend; done
    report
}

# What was run under this number before is ended and forgotten: it is another run now.
make_room() {
    if [ -d "$state" ]; then
        end_it 'Another run took its place.'
        rm -rf "$state"
    fi
    mkdir -p "$state" && printf '%s\n' "$run" >"$state/run.$$" && mv -f "$state/run.$$" "$state/run" || exit 1
}

# Of runs that nobody can ask for twice nothing needs to be kept for long.
tidy() {
    find "$base/state" -maxdepth 1 -name 'invoke-*' -mtime "+$tidy_days" 2>/dev/null | while IFS= read -r old; do
        [ ! -s "$old/result" ] || rm -rf "$old" "$base/download/$(basename "$old" .0)"
    done
}

find_newest() {
    newest=0
    while [ -d "$state/attempt.$((newest + 1))" ]; do newest=$((newest + 1)); done
}

# One step towards a result: begin, give up, or wait.
attend() {
    if ! is_this_run; then
        echo 'another run took its place' >&2
        exit 1
    fi
    find_newest
    if [ "$newest" -gt 0 ] && is_worker_alive "$state/attempt.$newest"; then
        sleep 1
    elif has_result; then
        return
    elif [ -f "$state/started" ]; then
        finish - 'It was interrupted: the guest or its processes were stopped while it ran. It is not run again under this sequence number.'
    elif mkdir "$state/attempt.$((newest + 1))" 2>/dev/null; then
        # Either the first, or the one before died while it fetched files, so nothing has been run.
        was_run_before=no
        setsid sh "$base/runner.sh" work "$state/attempt.$((newest + 1))" </dev/null >/dev/null 2>&1 3<"$request" 5<&- &
        wait "$!"
        if ! has_result; then
            echo "no result could be written below $state" >&2
            exit 1
        fi
    elif [ "$newest" -eq 0 ] && [ ! -d "$state/attempt.1" ]; then
        echo "cannot write below $state" >&2
        exit 1
    fi
}

report() {
    { IFS= read -r code && IFS= read -r message; } <"$state/result"
    out=$(size_of "$dir/stdout")
    err=$(size_of "$dir/stderr")
    [ "$out" -le "$tail_bytes" ] || out=$tail_bytes
    [ "$err" -le "$tail_bytes" ] || err=$tail_bytes
    printf 'vmss-report\n%s\n%s\n%s\n%s\n%s\n' "$was_run_before" "$code" "$message" "$((out))" "$((err))"
    [ "$out" -eq 0 ] || tail -c "$out" "$dir/stdout"
    [ "$err" -eq 0 ] || tail -c "$err" "$dir/stderr"
}

### cancel: end a run, whoever waits for it

cancel() {
    IFS= read -r name && IFS= read -r sequence && IFS= read -r why || exit 1
    locate
    was_run_before=no
    mkdir -p "$state" || exit 1
    ! has_result || was_run_before=yes
    end_it "$why"
    report
}

# Until there is a result: its own, or that it was ended.
end_it() {
    printf '%s\n' "$1" >"$state/cancel"
    until has_result; do
        find_newest
        if [ "$newest" -gt 0 ] && is_worker_alive "$state/attempt.$newest"; then
            kill -USR2 "$pid" 2>/dev/null
            sleep 1
        elif ! has_result; then
            finish - "$1"
        fi
    done
}

### work: the time limit and the result

work() {
    is_late=
    is_cancelled=
    trap 'is_late=yes' USR1
    trap 'is_cancelled=yes' USR2
    echo "$$ $(start_of "$$") $(cat /proc/sys/kernel/random/boot_id)" >"$1/worker.new"
    mv "$1/worker.new" "$1/worker"
    read_request <&3
    ! has_result || exit 0
    rm -rf "$dir"
    mkdir -p "$dir"
    : >"$dir/stdout"
    : >"$dir/stderr"
    watch "$$" "$limit_s" 3<&- &
    watcher=$!
    setsid sh "$base/runner.sh" job "$name" "$sequence" "$wait_s" "$is_converting" "$user" "$is_appending" \
        "$interpreter" "$argument" "$files" &
    job=$!
    exec 3<&-
    wait "$job"
    code=$?
    if [ -n "$is_late" ]; then
        stop "$job"
        finish - "It was stopped at its time limit of $limit_s s."
    elif [ -n "$is_cancelled" ]; then
        stop "$job"
        finish - "$(cat "$state/cancel")"
    elif [ -f "$state/started" ]; then
        finish "$code" ''
    else
        finish - "$(cat "$state/failed" 2>/dev/null || echo 'It could not be started.')"
    fi
    kill "$watcher" 2>/dev/null
}

watch() {
    nap=
    trap 'kill $nap 2>/dev/null; exit 0' TERM
    sleep "$2" &
    nap=$!
    wait "$nap"
    kill -USR1 "$1"
}

# The whole process group: politely, then not.
stop() {
    kill -TERM -"$1" 2>/dev/null
    sleep "$grace_s"
    kill -KILL -"$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

### job: fetch the files, run the command

job() {
    cd "$dir" || exit 1
    wait_for_cloud_init
    number=0
    while [ "$number" -lt "$files" ]; do
        number=$((number + 1))
        IFS= read -r uri && IFS= read -r file && IFS= read -r scheme && IFS= read -r host &&
            IFS= read -r port && IFS= read -r authority && IFS= read -r target
        if ! fetch; then
            echo "File $number of $files could not be fetched: $why." >"$state/failed"
            exit 1
        fi
        keep
    done <&3
    stage=$(new_stage) && exec 4<>"$stage" && cat <&3 >&4 || exit 1
    [ "$is_appending" = no ] || cat "$file" >&4 || exit 1
    exec 3<&-
    if [ -n "$user" ]; then find_user && chown "$user" "$stage"; fi || exit 1
    rm -f "$stage"
    : >"$state/started" && sync || exit 1
    [ -z "$user" ] || run_as_user
    # By way of this shell's descriptor, so that the command and what it leaves running inherit none. In a
    # subshell: on a plain command, shells close (move away) their own descriptor for as long as it runs.
    (
        exec env -i PATH="$PATH" HOME=/root USER=root LOGNAME=root SHELL=/bin/sh \
            "$interpreter" ${argument:+"$argument"} "/proc/$$/fd/4" </dev/null >stdout 2>stderr 4<&-
    )
}

find_user() {
    entry=$(grep "^$user:" /etc/passwd) && home=$(printf '%s\n' "$entry" | cut -d: -f6) && return
    echo "There is no user $user here." >"$state/failed"
    return 1
}

# The user cannot open root's descriptors, so this process keeps its own, and what is run closes it first.
run_as_user() {
    exec </dev/null >stdout 2>stderr
    cd "$home" 2>/dev/null || cd /
    set -- env -i PATH="$PATH" HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh \
        "$interpreter" ${argument:+"$argument"} /proc/self/fd/4
    if setpriv --help 2>&1 | grep -q -e --reuid; then
        exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- "$@"
    fi
    # busybox has no such options; its su becomes the shell, which becomes the command.
    exec su -s /bin/sh -c 'exec "$@"' -- "$user" sh "$@"
}

# While a guest boots, cloud-init may be at the same packages and users. Not for ever: it may be broken.
wait_for_cloud_init() {
    patience=600
    while [ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ] && [ "$patience" -gt 0 ]; do
        patience=$((patience - 1))
        sleep 1
    done
}

# Tries again only after what may pass: a broken network, 408, 429, 5xx.
fetch() {
    try=1
    pause_s=$wait_s
    while :; do
        why='no answer'
        fetch_once
        case $? in
        0) return 0 ;;
        "$again") ;;
        *) return 1 ;;
        esac
        if [ "$try" -ge "$tries" ]; then
            why="$why, $tries times"
            return 1
        fi
        sleep "$pause_s"
        pause_s=$((pause_s * 2))
        try=$((try + 1))
    done
}

fetch_once() {
    if command -v curl >/dev/null; then
        fetch_by_curl
    elif wget --version 2>/dev/null | grep -q 'GNU Wget'; then
        fetch_by_wget
    elif [ "$scheme" = http ] && command -v nc >/dev/null; then
        fetch_by_netcat
    else
        # busybox wget would need the URI in its arguments, and checks no certificate.
        why="this image has neither curl nor GNU wget, which $scheme needs"
        return 1
    fi
}

fetch_by_curl() {
    status=$(printf 'url = "%s"\n' "$uri" | curl --disable --config - --silent --globoff --location --max-redirs 10 \
        --proto =http,https --connect-timeout 30 --speed-limit 1 --speed-time 60 \
        --output .part --write-out '%{http_code}')
    code=$?
    case $code in
    0) judge_status ;;
    5 | 6 | 7 | 16 | 18 | 28 | 52 | 55 | 56 | 92) why="the network failed (curl $code)" && return "$again" ;;
    *) why="curl ended with $code" && return 1 ;;
    esac
}

fetch_by_wget() {
    log=$(printf '%s\n' "$uri" | wget --no-config --no-hsts --input-file=- --output-document=.part --tries=1 \
        --timeout=30 --max-redirect=10 --no-verbose --server-response 2>&1)
    code=$?
    status=$(printf '%s\n' "$log" | sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' | tail -n 1)
    case $code in
    0 | 6 | 8) judge_status ;;
    4) why='the network failed (wget 4)' && return "$again" ;;
    *) why="wget ended with $code" && return 1 ;;
    esac
}

# HTTP/1.0 by hand, without redirects: what busybox has (its own wget wants the URI as an argument).
fetch_by_netcat() {
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: vmss\r\nConnection: close\r\n\r\n' "$target" "$authority" |
        nc -w 30 "$host" "$port" >.answer 2>/dev/null || { why='the network failed (nc)' && return "$again"; }
    {
        status=
        length=
        read -r _ status _
        status=${status%"$cr"}
        while IFS= read -r line && line=${line%"$cr"} && [ -n "$line" ]; do
            case $line in
            [Cc]ontent-[Ll]ength:*) length=$(printf '%s' "${line#*:}" | tr -dc 0-9) ;;
            [Tt]ransfer-[Ee]ncoding:*) status=chunked ;;
            esac
        done
        cat >.part
    } <.answer
    rm -f .answer
    if [ -n "$length" ] && [ "$(size_of .part)" -ne "$length" ]; then
        why='the answer was cut short'
        return "$again"
    fi
    judge_status
}

judge_status() {
    why="HTTP $status"
    case $status in
    2??) return 0 ;;
    '' | 408 | 429 | 500 | 502 | 503 | 504) return "$again" ;;
    *) return 1 ;;
    esac
}

# Give the file its name; mend Windows line ends of what is a script by its name or its first bytes.
keep() {
    mv -f .part "$file"
    is_script=
    case $file in *.sh | *.txt | *.py | *.pl) is_script=yes ;; esac
    [ "$(head -c 2 "$file" | tr -d '\0')" != '#!' ] || is_script=yes
    if [ "$is_converting" = yes ] && [ -n "$is_script" ]; then
        sed -e "1s/^$bom//" -e "s/$cr\$//" "$file" >.mended && mv -f .mended "$file"
    fi
    chmod 700 "$file"
}

case $1 in
front) front ;;
cancel) cancel ;;
work) work "$2" ;;
job)
    name=$2 sequence=$3 wait_s=$4 is_converting=$5 user=$6 is_appending=$7 interpreter=$8 argument=$9 files=${10}
    locate
    job
    ;;
esac
