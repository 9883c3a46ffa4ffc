// One invocation an entry: which entry that is. More than 65535 workgroups spread over two axes.
override GROUP: u32 = 64u;

fn entry_of(group: vec3<u32>, local: u32) -> u32 {
    return nth_in_grid(group) * GROUP + local;
}
