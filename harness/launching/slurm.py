"""A Slurm job: a Ray head, a worker on each further node, and the driver beside the head.

Two minutes before its time is up Slurm sends SIGUSR1; the driver then ends as after Ctrl-C, and the job is queued
again, to go on where it ended. A node that is lost costs what ran on it; the head's node costs the job, which Slurm
queues again.
"""

import string

from harness.launching.order import GIVEN, HEALTH, Order, Sheet

HOURS = 24
"""Time limit of a job; the study goes on in the next one."""


class _Form(string.Template):
    delimiter = "@@"


FORM = _Form(
    r"""#!/bin/bash
# The study @@name on @@nodes node(s), as `invfront cluster slurm` wrote it. Activate the environment that has invfront,
# then `sbatch @@file`. All nodes must see this folder, the home folder and the images under the same paths.
#SBATCH --job-name=@@name
#SBATCH --nodes=@@nodes
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=@@cpus
@@gpu_line#SBATCH --time=@@hours:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -uo pipefail

for tool in invfront ray python srun scontrol; do
    command -v "$tool" > /dev/null || { echo "$tool is not on PATH: activate the environment of invfront" >&2; exit 2; }
done
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=$((20000 + SLURM_JOB_ID % 20000))
folder=/tmp/invfront-$SLURM_JOB_ID  # short: a socket's path has 107 characters at most

# Whoever has the token may use this Ray: it lies in the home folder, which every node sees.
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# A node that says nothing any more is given up within half a minute.
export @@health
[ -s "$HOME/.ray/auth_token" ] || (umask 077; ray get-auth-token --generate > /dev/null)

# In a subshell, whose process it becomes; srun takes no number of CPUs from sbatch.
on() { exec srun --overlap --nodes=1 --ntasks=1 --cpus-per-task=@@cpus --nodelist="$1" "${@:2}"; }
size=(--num-cpus=@@cpus --num-gpus=@@gpus --disable-usage-stats --block)
# A node whose Ray does not come up within 30 s, as from a slow disk, is tried again.
start='trap "kill \$!; wait \$!; exit 143" TERM; for _ in 1 2 3; do ray start "$@" & wait $! && break; done'
ip=$(on "$head" hostname --ip-address | awk '{print $1}')

servers=()
on "$head" bash -c "$start" bash --head --node-ip-address="$ip" --port="$port" --temp-dir="$folder" \
    --include-dashboard=false "${size[@]}" &
servers+=($!)
for _ in $(seq 600); do
    (exec 3<> "/dev/tcp/$ip/$port") 2> /dev/null && break
    sleep 0.2
done
for node in "${nodes[@]:1}"; do
    on "$node" bash -c "$start" bash --address="$ip:$port" "${size[@]}" &
    servers+=($!)
done
python - "$ip:$port" "${#nodes[@]}" << 'EOF'
import sys, time
import ray
ray.init(address=sys.argv[1], log_to_driver=False)
until = time.monotonic() + 300
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]) and time.monotonic() < until:
    time.sleep(1)
EOF

again= heard=1 driver=
stop() { heard=1; [ -n "$driver" ] && kill -TERM "$driver" 2> /dev/null; }
trap 'again=1; stop' USR1
trap stop TERM INT
@@command &
driver=$!
while [ -n "$heard" ]; do  # a signal ends the wait, not the driver
    heard=
    wait "$driver"
    code=$?
done

kill "${servers[@]}" 2> /dev/null
wait
srun --overlap --ntasks-per-node=1 rm -rf "$folder"
if [ -n "$again" ] && [ "$code" -ne 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""
)


def slurm_job(order: Order) -> Sheet:
    """Return an sbatch file."""
    file = f"{order.name}.sbatch"
    text = FORM.substitute(
        name=order.name,
        file=file,
        nodes=order.nodes,
        cpus=order.cpus,
        gpus=order.gpus,
        gpu_line=f"#SBATCH --gpus-per-node={order.gpus}\n" if order.gpus else "",
        hours=HOURS,
        health=" ".join(f"{name}={value}" for name, value in HEALTH.items()),
        command=order.command('"$ip:$port"'),
    )
    remarks = [
        f"{order.nodes} node(s) of {order.cpus} CPUs and {order.gpus} GPUs for {HOURS} h at a time; it is queued again "
        "until the study is done: edit #SBATCH lines, or add --partition and --account to sbatch",
        order.where(),
        *order.rows(f"{GIVEN} sbatch {file}"),
    ]
    return Sheet(file, text, tuple(remarks))
