"""A SLURM cluster of one node on this machine: real daemons with folders, ports and a key of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from support.ports import free_ports

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
_SBIN = ("/usr/sbin", "/usr/local/sbin")

# The node has a name that its jobs can resolve. Of the two queues one takes the node from the other, whose
# jobs are put back.
_CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=60
InactiveLimit=0
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 Gres=gpu:2 State=UNKNOWN
PartitionName=batch Nodes=localhost Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes=localhost PriorityTier=10 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Return what keeps this machine from running a cluster, or None."""
    absent = [name for name in PROGRAMS if _find(name) is None]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "needs root: slurmd starts jobs as their users"


class Cluster:
    """Run from entering to leaving the context, whatever happens in between."""

    def __init__(self) -> None:
        self._exits = ExitStack()

    def __enter__(self) -> Cluster:
        # Not pytest's folders: the path of a socket is short.
        self.folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        try:
            self._start()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def call(self, *command: str, cwd: Path | None = None, **environment: str) -> str:
        """Run one of SLURM's programs and return what it prints."""
        done = subprocess.run(
            command,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=cwd,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """Return the state, such as PENDING, RUNNING, COMPLETED."""
        return self.field(job, "JobState")

    def field(self, job: str, name: str) -> str:
        """Return a value of ``scontrol show job``."""
        words = self.call("scontrol", "show", "job", job).split()
        return next(word.partition("=")[2] for word in words if word.startswith(f"{name}="))

    def logs(self) -> str:
        """Return the last lines that the daemons have printed."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            parts.append(f"--- {path.name}\n" + "\n".join(lines))
        return "\n".join(parts)

    def _start(self) -> None:
        host = socket.gethostname().partition(".")[0]
        config = self.folder / "slurm.conf"
        config.write_text(_CONFIG.format(host=host, ports=free_ports(2), folder=self.folder))
        # Any two devices: what a job asks for has to be counted, not used.
        (self.folder / "gres.conf").write_text("NodeName=localhost Name=gpu File=/dev/null,/dev/zero\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        self._environment = kept | {"SLURM_CONF": str(config)}
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        socket_path = self.folder / "munge.socket"
        files = {"key": key, "socket": socket_path, "pid": self.folder / "munge.pid"}
        files |= {"log": self.folder / "munge.own.log", "seed": self.folder / "munge.seed"}
        options = [f"--{name}-file={path}" for name, path in files.items() if name != "socket"]
        # In the opposite order of what follows: jobs, slurmd, slurmctld, munged, the rest.
        self._exits.callback(self._end_leftovers)
        self._daemon("munged", "--foreground", "--num-threads=2", f"--socket={socket_path}", *options)
        wait_for(socket_path.exists, 20, self.logs)
        self._daemon("slurmctld", "-D", "-f", str(config))
        self._daemon("slurmd", "-D", "-f", str(config), "-N", "localhost")
        self._exits.callback(self._end_jobs)
        wait_for(self._node_is_idle, 40, self.logs)

    def _daemon(self, name: str, *arguments: str) -> None:
        program = _find(name)
        assert program is not None
        log = self._exits.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [program, *arguments], env=self._environment, stdout=log, stderr=log, start_new_session=True
        )
        self._exits.callback(_end, process)

    def _end_jobs(self) -> None:
        """Cancel all jobs, as SLURM does it."""
        self._run("scancel", "--user=root", "--full", "--signal=KILL")
        self._run("scancel", "--user=root")
        limit = time.monotonic() + 20
        while self._run("squeue", "--noheader") and time.monotonic() < limit:
            time.sleep(0.2)

    def _end_leftovers(self) -> None:
        """Kill what has survived the daemons: all have this cluster's configuration in their environment."""
        mark = f"SLURM_CONF={self.folder}/".encode()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes() and int(path.name) != os.getpid():
                    os.kill(int(path.name), signal.SIGKILL)
            except OSError:  # it has ended, or isn't ours
                continue

    def _run(self, *command: str) -> str:
        """Run one of SLURM's programs, and ignore its failure."""
        try:
            done = subprocess.run(
                command, env=self._environment, capture_output=True, text=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()

    def _node_is_idle(self) -> bool:
        return self._run("sinfo", "--noheader", "--format=%T", "--partition=batch") == "idle"


def wait_for(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = str) -> None:
    """Wait until something holds, and fail if that takes too long."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds} s: {condition}\n{explain()}"
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _find(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))
