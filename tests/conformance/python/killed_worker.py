# SPDX-License-Identifier: MIT
"""python killed_worker.py HOST:PORT   two worker processes; one is killed with SIGKILL in the
middle of its work, again and again, and a new one comes: everything ends with the right output."""

import subprocess
import sys
import time

from harness import RUN, EntityInstanceId, Hub, completed, leave
from flows import FLOWS

address = sys.argv[1]
hub = Hub(address, "killed-worker")


def beget():
    child = subprocess.Popen([sys.executable, __file__, address, "worker"], stdout=subprocess.PIPE)
    child.stdout.readline()
    return child


def main():
    victim, survivor = beget(), beget()
    runs = []
    for n in range(15):
        for kind, flow in FLOWS.items():
            given, output, events = flow(n)
            instance = hub.start(kind, given, f"{RUN}-{kind}-{n}")
            for name, data in events:
                hub.raises(instance, name, data)
            runs.append((kind, instance, output))
    for kill in range(4):
        time.sleep(0.4 + 0.3 * kill)
        victim.kill()
        victim.wait()
        victim = beget()
    told = {kind: "" for kind in FLOWS}
    for kind, instance, output in runs:
        try:
            completed(hub.done(instance, timeout=60), output)
        except Exception as error:  # noqa: BLE001
            told[kind] = told[kind] or f"{instance}: {error}"
    for kind, why in told.items():
        name = f"kill-a-worker-and-{kind.replace('_', '-')}-ends"
        print(f"FAILED {name}: {why}" if why else f"ok {name}")
    total = sum(hub.entity_state(EntityInstanceId("sums", f"total-{i}")) or 0 for i in range(3))
    name = "kill-a-worker-and-every-call-of-an-entity-counts-once"
    print(f"ok {name}" if total == 45 else f"FAILED {name}: {total} of 45")
    victim.kill()
    survivor.kill()
    leave(total == 45 and not any(told.values()))


if len(sys.argv) > 2:
    hub.worker()
    print("here", flush=True)
    time.sleep(600)
else:
    main()
