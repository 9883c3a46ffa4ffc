//! A model card's markdown as blocks: headings, paragraphs, quotes, lists, tables, code in a line.
//!
//! As much of markdown as our own cards use; what it does not know stays readable as text.

/// A stretch of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    /// Text as it is.
    Text(String),
    /// Between backticks.
    Code(String),
}

/// A line of text.
pub type Line = Vec<Inline>;

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// `# ..`
    Heading(Line),
    /// Lines up to an empty one.
    Paragraph(Line),
    /// `> ..`
    Quote(Line),
    /// `- ..`
    List(Vec<Line>),
    /// `| .. | .. |`
    Table {
        /// The first row.
        head: Vec<Line>,
        /// The others.
        rows: Vec<Vec<Line>>,
    },
}

/// The blocks of a text; a front matter between `---` is left out.
pub fn blocks(text: &str) -> Vec<Block> {
    let body =
        text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(text, |(_, body)| body);
    let lines: Vec<&str> = body.lines().map(str::trim_end).collect();
    lines.split(|line| line.is_empty()).filter(|group| !group.is_empty()).flat_map(group).collect()
}

/// A group of lines without an empty one; a heading may stand directly before text.
fn group(lines: &[&str]) -> Vec<Block> {
    let [first, rest @ ..] = lines else { return vec![] };
    if first.starts_with('#') {
        let heading = Block::Heading(inline(first.trim_start_matches('#').trim()));
        return std::iter::once(heading).chain(group(rest)).collect();
    }
    let all = |start: &str| lines.iter().all(|line| line.starts_with(start));
    let without = |start: &str| {
        let lines = lines.iter().map(|line| line.trim_start_matches(start).trim());
        lines.collect::<Vec<_>>()
    };
    vec![if all("|") {
        let mut rows = lines.iter().filter(|line| !is_rule(line)).map(|line| cells(line));
        Block::Table { head: rows.next().unwrap_or_default(), rows: rows.collect() }
    } else if all(">") {
        Block::Quote(inline(&without(">").join(" ")))
    } else if all("- ") {
        Block::List(without("- ").into_iter().map(inline).collect())
    } else {
        Block::Paragraph(inline(&lines.join(" ")))
    }]
}

fn is_rule(line: &str) -> bool {
    line.contains('-') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn cells(line: &str) -> Vec<Line> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| inline(cell.trim())).collect()
}

fn inline(text: &str) -> Line {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts
        .map(|(idx, part)| {
            let part = part.to_owned();
            if idx.is_multiple_of(2) { Inline::Text(part) } else { Inline::Code(part) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Line {
        vec![Inline::Text(text.to_owned())]
    }

    #[test]
    fn a_card_falls_into_blocks() {
        let card = "---\nlicense: x\n---\n# Name\n\nTwo lines\nof `text`.\n\n| a | b |\n| --- | ---: |\n| 1 | -2 |\n\n> Once\n> upon\n\n- one\n- two\n";
        let paragraph =
            vec![Inline::Text("Two lines of ".into()), Inline::Code("text".into()), Inline::Text(".".into())];
        assert_eq!(
            blocks(card),
            [
                Block::Heading(text("Name")),
                Block::Paragraph(paragraph),
                Block::Table { head: vec![text("a"), text("b")], rows: vec![vec![text("1"), text("-2")]] },
                Block::Quote(text("Once upon")),
                Block::List(vec![text("one"), text("two")]),
            ]
        );
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(blocks(""), []);
        assert_eq!(blocks("\n\n"), []);
    }
}
