//! Packing a matrix a few rows at a time, as a file brings them.

use crate::{PANEL, packed_len};

/// Packs rows `first..` of a row-major `[k n]` matrix: `panels[col / 8][i][col % 8]`.
///
/// What fills up the last panel is left as it is: zeros, in fresh panels.
///
/// Panics if the panels are not as long as the matrix needs, or the rows not whole or too many.
pub fn pack_rows<T: Copy>(k: usize, n: usize, first: usize, rows: &[T], panels: &mut [T]) {
    check(k, n, [first, k], n, rows, panels);
    for (i, row) in (first..).zip(rows.chunks_exact(n.max(1))) {
        let (whole, rest) = row.as_chunks::<PANEL>();
        // Eight by eight: a copy of any length is a call, in WebAssembly out of it.
        let mut panels = panels.as_chunks_mut::<PANEL>().0[i..].iter_mut().step_by(k);
        whole.iter().zip(panels.by_ref()).for_each(|(from, to)| *to = *from);
        if let Some(to) = panels.next() {
            to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Packs columns `first..` of a `[k n]` matrix that is stored by them: rows `first..` of its transpose.
///
/// What fills up the last panel is left as it is: zeros, in fresh panels.
///
/// Panics if the panels are not as long as the matrix needs, or the columns not whole or too many.
pub fn pack_rows_t<T: Copy>(k: usize, n: usize, first: usize, columns: &[T], panels: &mut [T]) {
    check(k, n, [first, n], k, columns, panels);
    for (col, column) in (first..).zip(columns.chunks_exact(k.max(1))) {
        let panel = &mut panels[col / PANEL * k * PANEL..][..k * PANEL];
        for (row, value) in panel.chunks_exact_mut(PANEL).zip(column) {
            row[col % PANEL] = *value;
        }
    }
}

fn check<T>(k: usize, n: usize, [first, end]: [usize; 2], len: usize, rows: &[T], panels: &[T]) {
    assert!(panels.len() == packed_len(k, n), "the panels have their length");
    assert!(rows.len().is_multiple_of(len.max(1)), "the rows are whole");
    assert!(first + rows.len() / len.max(1) <= end, "the rows are there");
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;
    use crate::reference::{SIZES, pack, pack_t, values};

    #[test]
    fn rows_in_any_portions_pack_as_the_whole_does() {
        for k in SIZES {
            for n in SIZES {
                let b = values(k * n, 5);
                let (mut want, mut want_t) =
                    (vec![f32::NAN; packed_len(k, n)], vec![f32::NAN; packed_len(k, n)]);
                pack(k, n, &b, &mut want);
                pack_t(k, n, &b, &mut want_t);
                for portion in [1, 2, 5, 64] {
                    let mut panels = vec![0.0; packed_len(k, n)];
                    for (idx, rows) in b.chunks((portion * n).max(1)).enumerate() {
                        pack_rows(k, n, idx * portion, rows, &mut panels);
                    }
                    assert_eq!(panels, want, "[{k} {n}], {portion} rows at a time");
                    let mut panels = vec![0.0; packed_len(k, n)];
                    for (idx, columns) in b.chunks((portion * k).max(1)).enumerate() {
                        pack_rows_t(k, n, idx * portion, columns, &mut panels);
                    }
                    assert_eq!(panels, want_t, "[{k} {n}], {portion} columns at a time");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the rows are there")]
    fn a_row_too_many_is_refused() {
        pack_rows(2, 3, 1, &[0.0; 6], &mut [0.0; 16]);
    }
}
