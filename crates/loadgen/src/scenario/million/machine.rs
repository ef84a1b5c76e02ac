//! The machine under `million`: what its kernel allows, and where its memory goes. Read from `/proc`; nothing is set here.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Pages of this machine's TCP account are of this size everywhere that this program runs (x86-64, and aarch64 as distributed).
const PAGE: u64 = 4_096;
/// What the kernel counts for a socket that has something under way, in pages: it rounds up.
const PAGES_PER_SOCKET: u64 = 1;
/// Files besides the connections' that the whole machine may have open.
const OTHER_FILES: u64 = 50_000;

/// A name in the kernel's cache of names (dentry on 64 bits); its slab holds those of files too, so its growth tells little.
const DENTRY: u64 = 192;

/// Memory of the machine in bytes, by `/proc/meminfo`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) available: u64,
    pub(super) slab: u64,
    pub(super) page_tables: u64,
    pub(super) kernel_stack: u64,
    pub(super) percpu: u64,
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    value.unwrap_or_default() * 1_024
}

impl Memory {
    /// As it is now.
    pub(super) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
        Ok(Self::of(&text))
    }

    fn of(text: &str) -> Self {
        Self {
            available: kib(text, "MemAvailable"),
            // What can be given back on demand is in `available` already.
            slab: kib(text, "SUnreclaim"),
            page_tables: kib(text, "PageTables"),
            kernel_stack: kib(text, "KernelStack"),
            percpu: kib(text, "Percpu"),
        }
    }
}

/// Bytes of the kernel's slabs by name; empty where they may not be read.
pub(super) fn slabs() -> BTreeMap<String, u64> {
    fs::read_to_string("/proc/slabinfo").map(|text| slabs_of(&text)).unwrap_or_default()
}

fn slabs_of(text: &str) -> BTreeMap<String, u64> {
    let mut slabs = BTreeMap::new();
    for line in text.lines().skip(2) {
        // name, active objects, objects, bytes of an object, objects of a slab, pages of a slab : … : slabdata, active slabs, slabs
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        if let (Some(name), Some(pages), Some(count)) = (words.first(), number(5), number(14)) {
            slabs.insert((*name).to_owned(), pages * count * PAGE);
        }
    }
    slabs
}

/// Bytes of what the kernel has for each open socket that it calls reclaimable, and so counts as available though it is not while the
/// socket is open: its inode, as the slabs say, and its name in the cache of names.
pub(super) fn hidden(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>, sockets: u64) -> u64 {
    let of = |slabs: &BTreeMap<String, u64>| slabs.get("sock_inode_cache").copied().unwrap_or_default();
    of(now).saturating_sub(of(before)) + sockets * DENTRY
}

/// The proportional set size of some processes together, in bytes; those that have ended count nothing.
pub(super) fn pss(pids: impl IntoIterator<Item = u32>) -> u64 {
    let of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map(|text| kib(&text, "Pss"));
    pids.into_iter().filter_map(|pid| of(pid).ok()).sum()
}

/// A limit of the kernel: its name, what it is, and what the run needs. The least that must be free is told, not a guess at a good value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) name: &'static str,
    pub(super) is: u64,
    pub(super) needs: u64,
}

fn setting(name: &str) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

/// The limits that are too low for so many connections whose both ends are on this machine.
pub(super) fn short_limits(connections: usize, per_node: usize) -> Vec<Limit> {
    let sockets = 2 * connections as u64;
    let mut limits = Vec::new();
    if let Some(is) = setting("fs.file-max").and_then(|values| values.first().copied()) {
        limits.push(Limit { name: "fs.file-max", is, needs: sockets + OTHER_FILES });
    }
    if let Some(&[low, high]) = setting("net.ipv4.ip_local_port_range").as_deref() {
        // A connect looks for a port in one half of the range first, and searches longer the fuller it is.
        let needs = 2 * (per_node as u64).div_ceil(4);
        let is = high.saturating_sub(low);
        limits.push(Limit { name: "net.ipv4.ip_local_port_range", is, needs });
    }
    if let Some(is) = setting("net.ipv4.tcp_mem").and_then(|values| values.get(1).copied()) {
        limits.push(Limit { name: "net.ipv4.tcp_mem", is, needs: connections as u64 * PAGES_PER_SOCKET });
    }
    // Where connections are not tracked at all the table stays empty, though connections are open.
    let tracked = setting("net.netfilter.nf_conntrack_count").and_then(|values| values.first().copied());
    if let (Some(1..), Some(is)) = (tracked, setting("net.netfilter.nf_conntrack_max")) {
        let is = is.first().copied().unwrap_or_default();
        limits.push(Limit { name: "net.netfilter.nf_conntrack_max", is, needs: connections as u64 });
    }
    limits.retain(|limit| limit.is < limit.needs);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_name_and_in_bytes() {
        let memory = Memory::of("MemTotal: 9 kB\nMemAvailable:   123 kB\nSlab: 7 kB\nSUnreclaim:  5 kB\n");
        assert_eq!((memory.available, memory.slab, memory.percpu), (123 * 1_024, 5 * 1_024, 0));
        assert!(Memory::now().unwrap().available > 0);
    }

    #[test]
    fn a_slab_is_its_pages() {
        let text =
            "slabinfo - version: 2.1\n# name …\nTCP  10 26 2432 13 8 : tunables 0 0 0 : slabdata 2 2 0\n";
        assert_eq!(slabs_of(text), BTreeMap::from([("TCP".to_owned(), 2 * 8 * 4_096)]));
    }

    #[test]
    fn a_few_connections_fit_and_too_many_are_told() {
        assert_eq!(short_limits(10, 10), []);
        let short = short_limits(1 << 40, 10);
        assert!(short.iter().any(|limit| limit.name == "fs.file-max"), "{short:?}");
    }

    #[test]
    fn the_own_process_has_a_size_and_one_that_is_not_there_has_none() {
        assert!(pss([std::process::id()]) > 0);
        assert_eq!(pss([(1 << 22) + 1]), 0);
    }
}
