"""Control groups by values: which files get which values, and where groups can be made."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.executors.cgroup_layout import (
    CONTROLLERS,
    Mounts,
    Shortage,
    Spot,
    choose_spot,
    common_writes,
    event_files,
    forks_refused,
    mounts_of,
    shortage,
    writes,
)
from araneus.executors.limits import Limits

LIMITS = Limits(memory=512, cores=None, weight=2, processes=100, badness=500)
QUOTA = Limits(memory=1, cores=0.001, weight=0.0001, processes=1, badness=1)
TOP = Path("/sys/fs/cgroup")


def as_text(limits: Limits, *, unified: bool) -> list[str]:
    return [f"{one.file}={one.value}" for one in writes(limits, CONTROLLERS, unified=unified)]


def test_version_2() -> None:
    assert as_text(LIMITS, unified=True) == [
        "memory.max=536870912", "memory.swap.max=0", "memory.oom.group=1", "cpu.weight=200", "pids.max=100",
    ]  # fmt: skip
    assert as_text(QUOTA, unified=True) == [
        "memory.max=1048576", "memory.swap.max=0", "memory.oom.group=1", "cpu.weight=1", "cpu.max=1000 100000",
        "pids.max=1",
    ]  # fmt: skip


def test_version_1() -> None:
    assert as_text(LIMITS, unified=False) == [
        "memory.limit_in_bytes=536870912", "memory.memsw.limit_in_bytes=536870912", "cpu.shares=2048", "pids.max=100",
    ]  # fmt: skip
    assert as_text(QUOTA, unified=False) == [
        "memory.limit_in_bytes=1048576", "memory.memsw.limit_in_bytes=1048576", "cpu.shares=2",
        "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=1000", "pids.max=1",
    ]  # fmt: skip


def test_what_a_kernel_must_have() -> None:
    required = {
        one.file for unified in (True, False) for one in writes(QUOTA, CONTROLLERS, unified=unified) if one.required
    }
    assert required == {
        "memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_period_us", "cpu.cfs_quota_us", "pids.max",
    }  # fmt: skip


@pytest.mark.parametrize("unified", [True, False])
def test_only_what_the_controllers_know(unified: bool) -> None:
    for controller in CONTROLLERS:
        for limits in (LIMITS, QUOTA):
            assert {one.file.split(".")[0] for one in writes(limits, (controller,), unified=unified)} == {controller}
    assert writes(LIMITS, (), unified=unified) == ()


def test_the_group_around_all() -> None:
    def text(unified: bool) -> list[str]:
        return [f"{one.file}={one.value}" for one in common_writes(1, CONTROLLERS, unified=unified)]

    assert text(unified=True) == ["memory.max=1048576", "memory.swap.max=0"]
    both = ["memory.memsw.limit_in_bytes=1048576", "memory.limit_in_bytes=1048576"]
    assert text(unified=False) == both * 2
    assert common_writes(1, ("cpu", "pids"), unified=True) == ()


MOUNTED_2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
MOUNTED_1 = """\
31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
35 31 0:32 / /sys/fs/cgroup/pi\\040ds rw - cgroup cgroup rw,pids
36 31 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
nonsense
"""


def test_version_2_alone() -> None:
    found = mounts_of("0::/system.slice/araneus.service\n", MOUNTED_2)
    assert found == Mounts(unified=TOP / "system.slice/araneus.service", top=TOP)


def test_version_1_with_joint_mounts() -> None:
    own = "5:cpu,cpuacct:/a/b\n4:memory:/user.slice\n3:pids:/\n1:name=systemd:/x\n0::/user.slice/y\n"
    assert mounts_of(own, MOUNTED_1) == Mounts(
        first={"cpu": TOP / "cpu,cpuacct/a/b", "memory": TOP / "memory/user.slice", "pids": TOP / "pi ds"},
        unified=TOP / "unified/user.slice/y",
        top=TOP / "unified",
    )


def test_a_container_sees_its_own_group_at_the_top() -> None:
    mounted = "40 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory"
    assert mounts_of("4:memory:/docker/abc/inner\n", mounted).first == {"memory": TOP / "memory/inner"}
    assert mounts_of("4:memory:/docker/abc\n", mounted).first == {"memory": TOP / "memory"}
    assert mounts_of("4:memory:/\n", mounted).first == {"memory": TOP / "memory"}
    assert mounts_of("0::/../other\n", MOUNTED_2).unified == TOP


@given(st.text(), st.text())
def test_any_text_is_read(own: str, mountinfo: str) -> None:
    mounts_of(own, mountinfo)
    shortage({"memory.events": own, "memory.oom_control": mountinfo}, unified=True)
    forks_refused({"pids.events": own})


ALL = frozenset({"memory", "cpu", "pids", "io"})
SERVICE = Spot(
    folder=TOP / "system.slice/araneus.service", controllers=ALL, writable=True, delegated=True, occupied=True
)
SLICE = Spot(folder=TOP / "system.slice", controllers=ALL, writable=True)
ROOT = Spot(folder=TOP, controllers=ALL, writable=True, delegated=True, occupied=True, root=True)


def folder(*spots: Spot) -> Path | None:
    found = choose_spot(spots)
    return None if found is None else found.folder


def test_what_was_left_to_us_is_taken() -> None:
    assert folder(SERVICE, SLICE, ROOT) == SERVICE.folder


def test_the_group_around_ours_when_only_that_was_left_to_us() -> None:
    leaf = Spot(folder=SERVICE.folder / "araneus-server", controllers=ALL, writable=True, delegated=True, occupied=True)
    around = Spot(folder=SERVICE.folder, controllers=ALL, writable=True, delegated=True)
    assert folder(leaf, around, ROOT) == around.folder


def test_a_group_of_others_is_left_alone() -> None:
    scope = Spot(folder=TOP / "user.slice/session-1.scope", controllers=ALL, writable=True, occupied=True)
    assert folder(scope, SLICE) is None
    assert folder(scope, SLICE, ROOT) == TOP


def test_what_cannot_be_written_or_has_no_controllers() -> None:
    assert folder(Spot(folder=TOP, controllers=ALL, delegated=True)) is None
    assert folder(Spot(folder=TOP, controllers=frozenset({"io"}), writable=True, delegated=True)) is None
    assert folder() is None


KILLED = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"


@pytest.mark.parametrize(
    ("events", "unified", "expected"),
    [
        ({"memory.events": "low 0\nmax 10\noom 1\noom_kill 1\n"}, True, Shortage.OWN),
        ({"memory.events": "low 0\nmax 0\noom 0\noom_kill 2\n"}, True, Shortage.ALL),
        ({"memory.events": "low 0\nmax 10\noom 1\noom_kill 0\n"}, True, None),
        ({}, True, None),
        (
            {
                "memory.oom_control": KILLED,
                "memory.max_usage_in_bytes": "67108864",
                "memory.limit_in_bytes": "67108864",
            },
            False,
            Shortage.OWN,
        ),
        (
            {"memory.oom_control": KILLED, "memory.max_usage_in_bytes": "1048576", "memory.limit_in_bytes": "67108864"},
            False,
            Shortage.ALL,
        ),
        ({"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, False, None),
        ({"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"}, False, None),
    ],
)
def test_whose_memory_ran_out(events: dict[str, str], unified: bool, expected: Shortage | None) -> None:
    assert shortage(events, unified=unified) is expected
    assert set(events) <= set(event_files(("memory",), unified=unified))


def test_refused_processes() -> None:
    assert forks_refused({"pids.events": "max 3\n"})
    assert not forks_refused({"pids.events": "max 0\n"})
    assert not forks_refused({})
    assert event_files((), unified=True) == ()
