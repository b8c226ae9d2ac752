"""The cgroups that memory is charged to: their tree, and what the kernel says is charged."""

from __future__ import annotations

from pagewalk.memcg.figures import cgroup_figures, kernel_figures, own_figures, parse_stat
from pagewalk.memcg.hierarchy import Hierarchy, Mount, find_hierarchy, parse_mountinfo
from pagewalk.memcg.tree import Cgroup, CgroupTree, cgroup_tree, changed

__all__ = [
    "Cgroup",
    "CgroupTree",
    "Hierarchy",
    "Mount",
    "cgroup_figures",
    "cgroup_tree",
    "changed",
    "find_hierarchy",
    "kernel_figures",
    "own_figures",
    "parse_mountinfo",
    "parse_stat",
]
