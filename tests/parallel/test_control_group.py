"""Memory and CPUs that control groups grant, of the process's own group and those above; CPUs that ranks share."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpu_fdm.parallel import choice, control_group
from gpu_fdm.parallel.ranks import Ranks

GIB = 1 << 30


def groups(tmp_path, files, own):
    """A stand-in for /sys/fs/cgroup and /proc/self/cgroup."""
    root = tmp_path / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    (tmp_path / "own").write_text(own)
    return root, tmp_path / "own"


def test_memory_of_a_slurm_job_is_limited_above_the_group_of_the_task(tmp_path):
    job = "system.slice/slurmstepd.scope/job_7"
    files = {
        f"{job}/memory.max": GIB,
        f"{job}/memory.current": GIB // 4,
        f"{job}/step_0/memory.max": "max",
        f"{job}/step_0/memory.current": GIB // 4,
        f"{job}/step_0/task_0/memory.max": 2 * GIB,
        f"{job}/step_0/task_0/memory.current": GIB // 8,
    }
    assert control_group.memory_left(*groups(tmp_path, files, f"0::/{job}/step_0/task_0\n")) == GIB - GIB // 4


def test_memory_of_version_1_and_files_that_the_kernel_can_drop(tmp_path):
    files = {
        "memory/slurm/job_7/memory.limit_in_bytes": GIB,
        "memory/slurm/job_7/memory.usage_in_bytes": GIB - 1,
        "memory/slurm/job_7/memory.stat": f"cache 5\ntotal_inactive_file {GIB // 2}\ntotal_active_file {GIB // 4}",
        "memory/memory.limit_in_bytes": 1 << 62,
        "memory/memory.usage_in_bytes": 5 * GIB,
    }
    own = "11:cpuset:/\n4:memory:/slurm/job_7/step_0\n2:cpu,cpuacct:/slurm\n"
    assert control_group.memory_left(*groups(tmp_path, files, own)) == GIB // 2 + GIB // 4 + 1


def test_a_container_sees_its_own_group_as_the_root(tmp_path):
    files = {"memory.max": GIB, "memory.current": 2 * GIB, "cpu.max": "150000 100000"}
    for own in ("0::/\n", "0::/docker/7f\n", "0::/../../outside\n"):
        root, path = groups(tmp_path, files, own)
        assert control_group.memory_left(root, path) == 0
        assert control_group.cpus(root, path) == 1.5


@pytest.mark.parametrize(
    ("files", "own"),
    [
        ({}, "0::/\n"),
        ({"memory.max": "max", "memory.current": 7, "cpu.max": "max 100000"}, "0::/\n"),
        ({"memory.max": "no number", "memory.current": 7, "cpu.max": ""}, "0::/\n"),
        ({"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, "2:cpu:/\n"),
        ({}, "not lines of groups"),
    ],
)
def test_no_limit(tmp_path, files, own):
    root, path = groups(tmp_path, files, own)
    assert control_group.memory_left(root, path) is None and control_group.cpus(root, path) is None
    assert control_group.memory_left(root, tmp_path / "absent") is None


@dataclass(frozen=True)
class OnOneNode(Ranks):
    """Ranks of one node that may run on the given CPUs."""

    masks: tuple = ()

    def allgather_on_node(self, value):
        return list(self.masks)


@pytest.mark.parametrize(
    ("masks", "granted", "threads"),
    [
        ([range(16)] * 4, None, 4),  # one mask for all
        ([range(4 * n, 4 * n + 4) for n in range(4)], None, 4),  # bound to CPUs of their own
        ([range(64)] * 4, None, 16),  # not bound
        ([range(16)] * 4, 8.0, 2),  # a quota of 8 CPUs for all of them
        ([range(2)] * 3, None, 1),  # more ranks than CPUs
        ([range(8), range(8), range(8, 16)], None, 4),
    ],
)
def test_ranks_that_share_cpus_take_no_more_than_there_are(monkeypatch, masks, granted, threads):
    masks = tuple(frozenset(mask) for mask in masks)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(masks[0]), raising=False)
    monkeypatch.setattr(control_group, "cpus", lambda: granted)
    assert choice.cpu_share(OnOneNode(masks=masks)) == threads


def test_a_process_reads_its_own_groups():
    if not Path("/proc/self/cgroup").exists():
        pytest.skip("no control groups on this system")
    left = control_group.memory_left()
    assert left is None or left >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are those of Linux")
def test_too_small_an_address_space_is_told_before_libraries_abort():
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))\n"
        "from gpu_fdm.commands.main import main\nsys.exit(main(['info']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "gpu-fdm: error: too little memory: ulimit -v is 300 MiB of address space, must be at least 800 MiB\n"
    )
