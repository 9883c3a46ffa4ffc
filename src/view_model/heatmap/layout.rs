//! Where the cells and the labels of a matrix lie, in px.

use crate::view_model::token_strip::{TokenText, shortened};

/// Height of a line of labels.
const LINE_PX: f32 = 14.0;
const CHAR_PX: f32 = 6.7; // Advance of the mono face at 11 px.
const GAP_PX: f32 = 8.0;
const TITLE_PX: f32 = 20.0; // The axis' name, outside its labels.
const MAX_CELL_PX: f32 = 32.0;
const MIN_CELL_PX: f32 = 1.5;

/// What a layout depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayoutSpec {
    /// Width that is there to be filled.
    pub width_px: f32,
    /// 1 fits the width; 2 makes cells twice as wide.
    pub zoom: f32,
}

/// Where things lie. The origin is the left upper corner of the whole drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Number of rows, and of columns.
    pub n: usize,
    /// Side of a cell.
    pub cell_px: f32,
    /// Where the cells begin.
    pub left_px: f32,
    /// Where the cells begin.
    pub top_px: f32,
    /// One a shown row, and, turned, one a shown column.
    pub labels: Vec<Label>,
}

/// The name of a row or a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its position in the prompt.
    pub pos: usize,
    /// Token, with the position in front where not every position is named.
    pub text: String,
    /// Its middle, from the first cell's edge.
    pub at_px: f32,
}

impl Layout {
    /// Fills `spec.width_px` with the matrix of `tokens`.
    pub fn new(tokens: &[TokenText], spec: LayoutSpec) -> Self {
        let n = tokens.len();
        let n_chars_max = if spec.width_px < 480.0 { 7 } else { 9 };
        let longest =
            tokens.iter().map(|token| shortened(&token.glyphs(), n_chars_max).chars().count()).max();
        // Room for a position and a space in front, used where labels are thinned.
        let n_digits = if 24 < n { n.to_string().len() + 1 } else { 0 };
        // Whole px, so that the edges of cells are sharp.
        let margin_px = (TITLE_PX + GAP_PX + (longest.unwrap_or(1) + n_digits) as f32 * CHAR_PX).ceil();

        let fitting = (spec.width_px - margin_px - 1.0) / n.max(1) as f32 * spec.zoom;
        let cell_px = whole(fitting.clamp(MIN_CELL_PX, MAX_CELL_PX * spec.zoom));
        let every = thinning(cell_px);
        let labels = (0..n)
            .step_by(every)
            .map(|pos| {
                let glyphs = shortened(&tokens[pos].glyphs(), n_chars_max);
                Label {
                    pos,
                    text: if 1 < every { format!("{pos} {glyphs}") } else { glyphs },
                    at_px: (pos as f32 + 0.5) * cell_px,
                }
            })
            .collect();
        Self { n, cell_px, left_px: margin_px, top_px: margin_px, labels }
    }

    /// Side of the square of cells.
    pub fn side_px(&self) -> f32 {
        self.cell_px * self.n as f32
    }

    /// Width of the whole drawing.
    pub fn width_px(&self) -> f32 {
        self.left_px + self.side_px() + 1.0
    }

    /// Height of the whole drawing.
    pub fn height_px(&self) -> f32 {
        self.top_px + self.side_px() + 1.0
    }

    /// The row or column at `px` from the first cell's edge.
    pub fn pos_at(&self, px: f32) -> Option<usize> {
        let pos = (px / self.cell_px).floor();
        (0.0 <= pos && pos < self.n as f32).then_some(pos as usize)
    }

    /// The edge of row or column `pos`, from the first cell's edge.
    pub fn edge_px(&self, pos: usize) -> f32 {
        pos as f32 * self.cell_px
    }

    /// The outline of the masked half, from the first cell's corner: an SVG path of stairs.
    pub fn mask_path(&self) -> String {
        use std::fmt::Write as _;
        let (n, cell) = (self.n, self.cell_px);
        if n < 2 {
            return String::new();
        }
        let mut path = format!("M{cell} 0H{}V{}", self.side_px(), self.edge_px(n - 1));
        for q in (0..n - 1).rev() {
            write!(path, "H{}V{}", self.edge_px(q + 1), self.edge_px(q)).expect("a String takes all");
        }
        path.push('Z');
        path
    }
}

/// Whole px where a cell has some, else halves: edges stay sharp.
fn whole(px: f32) -> f32 {
    if 4.0 <= px { px.floor() } else { ((px * 2.0).floor() / 2.0).max(MIN_CELL_PX) }
}

/// Every how many positions there is room for a label.
fn thinning(cell_px: f32) -> usize {
    let needed = (LINE_PX / cell_px).ceil() as usize;
    [1, 2, 4, 5, 8, 10, 16].into_iter().find(|every| needed <= *every).unwrap_or(needed.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prompt::Token, view_model::token_strip::token_text};

    fn tokens(n: usize) -> Vec<TokenText> {
        (0..n)
            .map(|id| {
                let text = Some(if id % 7 == 0 { " extraordinary".to_owned() } else { " fox".to_owned() });
                token_text(&Token { id: id as u32, text, bytes: None, is_special: false })
            })
            .collect()
    }

    #[test]
    fn labels_never_overlap_and_the_first_is_always_there() {
        for (n, width_px, zoom) in [
            (1, 358.0, 1.0),
            (12, 358.0, 1.0),
            (64, 700.0, 1.0),
            (256, 700.0, 1.0),
            (256, 358.0, 4.0),
            (1024, 700.0, 1.0),
        ] {
            let layout = Layout::new(&tokens(n), LayoutSpec { width_px, zoom });
            for pair in layout.labels.windows(2) {
                assert!(LINE_PX <= pair[1].at_px - pair[0].at_px, "{n} tokens on {width_px} px");
            }
            assert_eq!(layout.labels[0].pos, 0);
            let longest = layout.labels.iter().map(|label| label.text.chars().count()).max().expect("some");
            assert!(longest as f32 * CHAR_PX + TITLE_PX <= layout.left_px, "{n} tokens on {width_px} px");
        }
    }

    #[test]
    fn a_short_prompt_fits_a_phone() {
        let layout = Layout::new(&tokens(16), LayoutSpec { width_px: 358.0, zoom: 1.0 });
        assert!(layout.width_px() <= 358.0, "{}", layout.width_px());
        assert!(1.0 <= layout.cell_px);
    }

    #[test]
    fn a_point_finds_its_cell() {
        let layout = Layout::new(&tokens(10), LayoutSpec { width_px: 700.0, zoom: 1.0 });
        for pos in 0..10 {
            assert_eq!(layout.pos_at(layout.edge_px(pos)), Some(pos));
            assert_eq!(layout.pos_at(layout.edge_px(pos) + layout.cell_px - 0.1), Some(pos));
        }
        assert_eq!(layout.pos_at(-0.1), None);
        assert_eq!(layout.pos_at(layout.side_px()), None);
    }

    #[test]
    fn the_mask_is_a_staircase() {
        let layout = Layout { n: 3, cell_px: 10.0, left_px: 0.0, top_px: 0.0, labels: vec![] };
        assert_eq!(layout.mask_path(), "M10 0H30V20H20V10H10V0Z");
    }
}
