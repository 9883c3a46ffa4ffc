//! What is launched several times where an operand is too large for one binding: tables, and what is read off wide rows.

use std::ops::Range;

use super::{
    super::{
        super::program::{Format, Id, Op},
        Bound, Launch,
    },
    ENTRIES, Lower, maybe, parts, value, words,
};

/// Two parts of a table, as many as a kernel of `gather.wgsl` and `embed.wgsl` sees.
struct TableParts {
    bound: [Bound; 2],
    /// Rows of the first, rows of the second, and the row of the table that is the first here.
    sizes: [usize; 3],
}

impl Lower<'_> {
    /// `width` entries from each row of `d`, a part of the rows at a time where all are too many for a binding.
    pub(super) fn read_off(
        &self,
        name: &'static str,
        y: Id,
        d: usize,
        n_steps: usize,
        width: usize,
        param: impl Fn(&Range<usize>) -> usize,
    ) -> Vec<Launch> {
        let value = &self.program.values[y];
        let n_rows = value.len / width;
        let launch = |rows: Range<usize>| {
            let of_rows = |id: Id, width: usize| {
                Bound::Value(id, (rows.len() < n_rows).then(|| rows.start * width..rows.end * width))
            };
            let chosen = value.op.n_rows().map(|_| Bound::Rows(y));
            let reads = value.inputs.iter().map(|input| of_rows(*input, d)).chain(chosen).collect();
            let params = [rows.len(), d, param(&rows)].map(|size| size as u32).to_vec();
            self.rows(name, n_steps, reads, vec![of_rows(y, width)], params)
        };
        parts(n_rows, self.limits.rows_that_fit(d.max(width), &[d, width])).map(launch).collect()
    }

    /// Entries of `y` from those of one operand, one by one, such as logits that are capped.
    pub(super) fn in_parts(&self, name: &'static str, y: Id, param: u32) -> Vec<Launch> {
        let (x, n) = (self.program.values[y].inputs[0], self.len(y));
        let launch = |entries: Range<usize>| {
            let part = |id: Id| Bound::Value(id, (entries.len() < n).then(|| entries.clone()));
            let mut launch = self.entries(name, vec![part(x)], y, &[]);
            launch.writes = vec![part(y)];
            launch.params = vec![entries.len() as u32, param];
            launch.grid = super::spread(entries.len().div_ceil(ENTRIES));
            launch
        };
        parts(n, self.limits.rows_that_fit(1, &[1])).map(launch).collect()
    }

    /// A table, two parts at a time.
    fn table(&self, table: Id, n_rows: usize, d: usize, format: Format) -> Vec<TableParts> {
        let n_each = self.limits.weight_rows_that_fit(d, format);
        if n_rows <= n_each {
            return vec![TableParts { bound: [value(table), value(table)], sizes: [n_rows, 0, 0] }];
        }
        let part = |rows: &Range<usize>| Bound::Value(table, Some(words(rows.clone(), d, format)));
        let ranges: Vec<Range<usize>> = parts(n_rows, n_each).collect();
        let pair = |pair: &[Range<usize>]| {
            let (low, high) = (&pair[0], pair.get(1));
            TableParts {
                bound: [part(low), part(high.unwrap_or(low))],
                sizes: [low.len(), high.map_or(0, Range::len), low.start],
            }
        };
        ranges.chunks(2).map(pair).collect()
    }

    pub(super) fn gather(&self, y: Id) -> Vec<Launch> {
        let &Op::Gather { n_table, d, format, .. } = self.op(y) else { unreachable!("asked for a gather") };
        let table = self.program.values[y].inputs[0];
        let launch = |TableParts { bound, sizes }| {
            let reads = [&bound[..], &[Bound::Rows(y)]].concat();
            self.weighted("gather", reads, y, &[&[d], &sizes[..]].concat(), format)
        };
        self.table(table, n_table, d, format).into_iter().map(launch).collect()
    }

    pub(super) fn embed(&self, tokens: Id, positions: Id, sum: Id) -> Vec<Launch> {
        let &Op::Gather { n_table, d, format, .. } = self.op(tokens) else {
            unreachable!("fused from a gather")
        };
        let of = |gather: Id| self.program.values[gather].inputs[0];
        let users = self.program.users();
        let launch = |TableParts { bound, sizes }| {
            let others = [Bound::Rows(tokens), value(of(positions)), Bound::Rows(positions)];
            let sizes = [&[d], &sizes[..]].concat();
            let mut launch = self.weighted("embed", [&bound[..], &others].concat(), sum, &sizes, format);
            for (constant, id) in [("KEEP", tokens), ("KEEP_OTHER", positions)] {
                // Whoever reads it later reads what is written here.
                let is_read = users[id].len() > 1 || self.program.values[id].is_kept;
                launch.writes.push(maybe(is_read.then_some(id)));
                launch.constants.push((constant, u32::from(is_read)));
            }
            launch
        };
        self.table(of(tokens), n_table, d, format).into_iter().map(launch).collect()
    }
}
