//! Reading a list of CPUs takes memory for the CPUs that there can be, however often a text names them.
#![allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]

use kernel::allocator::CountingAllocator;
use kernel::cpu::CpuSet;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_list_that_names_all_cpus_again_and_again_takes_little_memory() {
    let text = format!("{}7", "0-65535,".repeat(200));
    let before = CountingAllocator::bytes_of_this_thread();
    let cpus = CpuSet::parse(&text).unwrap();
    let asked = CountingAllocator::bytes_of_this_thread() - before;
    assert_eq!(cpus.len(), 65_536);
    assert!(asked < 4 << 20, "{asked} bytes were asked for");
}
