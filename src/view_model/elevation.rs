//! The model as a building in section: embedding at the ground, one storey a block, unembedding as the roof.
//!
//! Heads are windows, an MLP is a room above them, the residual stream is the stair that passes every
//! floor. All lengths are in the drawing's own px; y grows downwards.

use std::fmt::Write as _;

/// Width of the drawing.
pub const WIDTH: f32 = 248.0;

const SHAFT: f32 = 44.0; // Room for the stair, left of the rooms.
const RIGHT: f32 = WIDTH - 1.0;
const MAX_PER_ROW: usize = 8;
const ROOF: f32 = 46.0;
const GROUND: f32 = 44.0;
const N_STEPS: usize = 4; // Per flight.

/// What there is to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Building {
    /// Number of blocks.
    pub n_layers: usize,
    /// Heads per block.
    pub n_heads: usize,
    /// Whether the blocks have MLPs.
    pub has_mlp: bool,
}

/// The drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Elevation {
    /// Height of the drawing.
    pub height: f32,
    /// The unembedding: a roof, as an SVG path.
    pub roof: String,
    /// Where its name is written.
    pub roof_label: Point,
    /// From the top storey down to the lowest.
    pub storeys: Vec<Storey>,
    /// The embedding.
    pub ground: Rect,
    /// The residual stream, as an SVG path from the ground to the roof.
    pub stair: String,
    /// Where a component's output is added to the stream.
    pub landings: Vec<Point>,
}

/// One block.
#[derive(Clone, Debug, PartialEq)]
pub struct Storey {
    /// Its layer.
    pub layer: usize,
    /// The whole of it.
    pub wall: Rect,
    /// Where its number is written.
    pub label: Point,
    /// Its heads.
    pub windows: Vec<Window>,
    /// Its MLP.
    pub mlp: Option<Rect>,
}

/// One head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The head.
    pub head: usize,
    /// What is drawn.
    pub pane: Rect,
    /// What takes the pointer; neighbours touch.
    pub hit: Rect,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields of a rectangle")]
pub struct Rect {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields of a point")]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// Draws a building.
pub fn elevation(building: Building) -> Elevation {
    let Building { n_layers, n_heads, has_mlp } = building;
    // A tall building gets lower storeys, so that twelve of them still fit beside the panels.
    let (pane, room) = match n_layers {
        0..=3 => (30.0, 28.0),
        4..=6 => (24.0, 24.0),
        _ => (13.0, 13.0),
    };
    let n_rows = n_heads.div_ceil(MAX_PER_ROW).max(1);
    let attn_height = n_rows as f32 * (pane + 6.0) + 6.0;
    let mlp_height = if has_mlp { room + 4.0 } else { 0.0 };
    let storey_height = attn_height + mlp_height;
    let top = ROOF;
    let bottom = top + n_layers as f32 * storey_height;

    let storeys = (0..n_layers)
        .rev()
        .map(|layer| {
            let y = bottom - (layer + 1) as f32 * storey_height;
            let wall = Rect { x: SHAFT, y, width: RIGHT - SHAFT, height: storey_height };
            Storey {
                layer,
                wall,
                label: Point { x: 6.0, y: y + storey_height - 6.0 },
                windows: windows(n_heads, n_rows, Point { x: SHAFT, y: y + mlp_height + 3.0 }, pane),
                mlp: has_mlp.then_some(Rect {
                    x: SHAFT + 5.0,
                    y: y + 5.0,
                    width: RIGHT - SHAFT - 10.0,
                    height: room - 2.0,
                }),
            }
        })
        .collect();

    let mut floors = vec![bottom]; // Where each flight begins and the last one ends, going up.
    for layer in 1..=n_layers {
        let floor = bottom - layer as f32 * storey_height;
        if has_mlp {
            floors.push(floor + mlp_height);
        }
        floors.push(floor);
    }
    let (stair, landings) = stair(&floors);

    Elevation {
        height: bottom + GROUND,
        roof: format!("M{SHAFT} {top}L{} 8H{}L{RIGHT} {top}Z", SHAFT + 22.0, RIGHT - 22.0),
        roof_label: Point { x: SHAFT.midpoint(RIGHT), y: 8.0_f32.midpoint(top) },
        storeys,
        ground: Rect { x: SHAFT, y: bottom, width: RIGHT - SHAFT, height: 30.0 },
        stair,
        landings,
    }
}

fn windows(n_heads: usize, n_rows: usize, at: Point, pane: f32) -> Vec<Window> {
    let n_cols = n_heads.div_ceil(n_rows);
    let cell = Rect { x: 0.0, y: 0.0, width: (RIGHT - SHAFT - 4.0) / n_cols as f32, height: pane + 6.0 };
    (0..n_heads)
        .map(|head| {
            let (row, col) = (head / n_cols, head % n_cols);
            let hit =
                Rect { x: at.x + 2.0 + col as f32 * cell.width, y: at.y + row as f32 * cell.height, ..cell };
            let width = (cell.width - 5.0).min(pane * 1.4);
            let pane = Rect { x: hit.x + (cell.width - width) / 2.0, y: hit.y + 3.0, width, height: pane };
            Window { head, pane, hit }
        })
        .collect()
}

/// Flights of steps that turn at every floor, and the landings where they turn.
fn stair(floors: &[f32]) -> (String, Vec<Point>) {
    let (left, right) = (18.0, SHAFT - 8.0);
    let side = |floor_idx: usize| if floor_idx.is_multiple_of(2) { left } else { right };
    let mut path = format!("M{left} {}", floors[0] + 15.0);
    let _ = write!(path, "V{}", floors[0]);
    let mut landings = vec![];
    for (idx, pair) in floors.windows(2).enumerate() {
        let [from, to] = [pair[0], pair[1]];
        for step in 1..=N_STEPS {
            let done = step as f32 / N_STEPS as f32;
            let x = side(idx) + (side(idx + 1) - side(idx)) * done;
            let _ = write!(path, "V{:.1}H{x:.1}", from + (to - from) * done);
        }
        landings.push(Point { x: side(idx + 1), y: to });
    }
    (path, landings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storeys_stand_on_each_other() {
        let drawing = elevation(Building { n_layers: 4, n_heads: 8, has_mlp: true });
        assert_eq!(drawing.storeys.iter().map(|storey| storey.layer).collect::<Vec<_>>(), [3, 2, 1, 0]);
        for pair in drawing.storeys.windows(2) {
            assert!((pair[0].wall.y + pair[0].wall.height - pair[1].wall.y).abs() < 1e-3);
        }
        let lowest = drawing.storeys.last().expect("four storeys");
        assert!((lowest.wall.y + lowest.wall.height - drawing.ground.y).abs() < 1e-3);
        assert_eq!(drawing.landings.len(), 8); // One for each attention and each MLP.
    }

    #[test]
    fn windows_stay_inside_and_do_not_overlap() {
        for (n_layers, n_heads) in [(2, 8), (4, 6), (12, 12), (1, 1), (2, 25)] {
            let drawing = elevation(Building { n_layers, n_heads, has_mlp: false });
            for storey in &drawing.storeys {
                assert_eq!(storey.windows.len(), n_heads);
                for (idx, window) in storey.windows.iter().enumerate() {
                    let Rect { x, y, width, height } = window.hit;
                    assert!(SHAFT <= x && x + width <= WIDTH, "{n_heads} heads: {window:?}");
                    assert!(storey.wall.y <= y && y + height <= storey.wall.y + storey.wall.height + 0.1);
                    assert!(storey.windows[..idx].iter().all(|other| {
                        other.hit.x + other.hit.width <= x + 0.01
                            || other.hit.y + other.hit.height <= y + 0.01
                    }));
                }
            }
        }
    }
}
