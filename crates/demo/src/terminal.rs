//! Where lines go: a block redrawn in place on a terminal, plain lines elsewhere. Knows nothing of what they say.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a plain output says where a delivery is.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
const WIDTH_UNKNOWN: usize = 120;

pub struct Terminal {
    out: Box<dyn Write + Send>,
    is_redrawn: bool,
    /// Lines of the block that stand there now.
    drawn: usize,
    plain_since: Option<Instant>,
}

impl Terminal {
    /// Standard output, or standard error where that is for machines.
    #[must_use]
    pub fn new(for_machines: bool) -> Self {
        if for_machines {
            Self::on(Box::new(std::io::stderr()), std::io::stderr().is_terminal())
        } else {
            Self::on(Box::new(std::io::stdout()), std::io::stdout().is_terminal())
        }
    }

    #[must_use]
    pub fn on(out: Box<dyn Write + Send>, is_redrawn: bool) -> Self {
        Self { out, is_redrawn, drawn: 0, plain_since: None }
    }

    /// Lines that stay, above the block.
    pub fn say(&mut self, lines: &[String]) {
        self.wipe();
        self.write(lines);
    }

    /// Draws the block in the place of the one before; `line` is what an output without places is told now and then.
    pub fn draw(&mut self, block: &[String], line: &str) {
        if self.is_redrawn {
            self.wipe();
            let width = width();
            let cut: Vec<String> = block.iter().map(|line| cut(line, width)).collect();
            self.write(&cut);
            self.drawn = cut.len();
            return;
        }
        if self.plain_since.is_none_or(|since| since.elapsed() >= PLAIN_EVERY) {
            self.plain_since = Some(Instant::now());
            self.write(&[line.to_owned()]);
        }
    }

    /// Leaves the block as it stands; what comes next is written below it.
    pub fn keep(&mut self) {
        self.drawn = 0;
        self.plain_since = None;
    }

    fn wipe(&mut self) {
        if self.drawn > 0 {
            // Up to the block's first line, then clear to the end of the screen.
            self.put(&format!("\x1b[{}F\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    fn write(&mut self, lines: &[String]) {
        let mut text = lines.join("\n");
        text.push('\n');
        self.put(&text);
    }

    fn put(&mut self, text: &str) {
        // A reader that has gone away ends the show, not the deliveries.
        let _unread = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// A line that wraps would take two places, and the next block would not cover it.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_UNKNOWN, |(width, _)| usize::from(width.0).max(40))
}
